import { setTimeout as delay } from 'node:timers/promises';
import { ParkedAggregates } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';
import { NatsPositions } from './nats-positions.js';
import { describeParking } from './parking.contract.js';
import { describePositions } from './positions.contract.js';
import { describeTransport } from './transport.contract.js';
import { NEW, SMALL, TOPIC, TOPICS, type World } from './world.js';

const server = serverForAll();

const positions = new NatsPositions(TOPIC);

const world: World = {
  server: positions,
  open: () => positions.connect(server().url),
  async start(group, controller) {
    const app = await startApp({
      options: { servers: server().url, group, topics: TOPICS },
      publishers: [TOPIC, SMALL, NEW],
      ...(controller === undefined ? {} : { controllers: [controller] }),
    });
    return {
      publisher: publisherOf(app, TOPIC),
      small: publisherOf(app, SMALL),
      newOnly: publisherOf(app, NEW),
      parked: app.get(ParkedAggregates),
      close: () => app.close(),
    };
  },
  // A real server does not say when it has finished. What must not happen would happen at once.
  settle: () => delay(30),
  advance: (ms) => delay(ms),
  until: (what, condition) => eventually(what, condition),
  close: () => positions.close(),
};

for (const describeContract of [describeTransport, describePositions, describeParking])
  describeContract('a real nats-server', world);
