import { setTimeout as delay } from 'node:timers/promises';
import { ParkedAggregates } from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';
import { describeParking } from './parking.contract.js';
import { describeTransport } from './transport.contract.js';
import { SMALL, TOPIC, TOPICS, type World } from './world.js';

const server = serverForAll();

const world: World = {
  open: () => Promise.resolve(),
  async start(group, controller) {
    const app = await startApp({
      options: { servers: server().url, group, topics: TOPICS },
      publishers: [TOPIC, SMALL],
      ...(controller === undefined ? {} : { controllers: [controller] }),
    });
    return {
      publisher: publisherOf(app, TOPIC),
      small: publisherOf(app, SMALL),
      parked: app.get(ParkedAggregates),
      close: () => app.close(),
    };
  },
  // Nothing tells that a real server will do nothing more; what must not happen would happen at once.
  settle: () => delay(30),
  advance: (ms) => delay(ms),
  until: (what, condition) => eventually(what, condition),
  close: () => Promise.resolve(),
};

for (const describeContract of [describeTransport, describeParking])
  describeContract('a real nats-server', world);
