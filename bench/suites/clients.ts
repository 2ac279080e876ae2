import type { AggregatePublisher, NatsClientName } from 'nestjs-aggregate-transport';
import { silentLog } from '#library/log.js';
import { Connection } from '#library/stream/connection/connection.js';
import { storeBacklog } from '../backlog.js';
import { Reading, trivial } from '../contenders/reading.js';
import { Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import type { Contender } from '../section.js';
import { Stopwatch } from '../stopwatch.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, paddingFor } from '../workload.js';

const CLIENTS = ['nats', 'nats-io'] as const satisfies readonly NatsClientName[];
const AGGREGATES = [1, 1_000];
const PUBLISHED = 20_000;
const CONSUMED = 100_000;
const REQUESTS = 20_000;
const AT_ONCE = 64;
const BYTES = 256;
const TOPIC = 'clients-published';
const OWN_REQUEST = (client: string): string => `own inbox, over ${client}`;
const CLIENTS_REQUEST = (client: string): string => `${client}’s own request`;

const near = (section: string, text: string): Goal => ({
  ...{ text, section, contender: 'nats-io', metric: 'rate', against: 'nats', atLeast: 0.95 },
});
const goals: Goal[] = [
  ...AGGREGATES.flatMap((aggregates): Goal[] => [
    near(`publish-${aggregates}`, `publishing, ${aggregates} aggregate(s): nats-io against nats`),
    near(`consume-${aggregates}`, `consuming, ${aggregates} aggregate(s): nats-io against nats`),
  ]),
  {
    text: 'requests over an inbox of our own, against those of nats without traces',
    section: 'requests',
    contender: OWN_REQUEST('nats'),
    metric: 'cpu',
    against: CLIENTS_REQUEST('nats'),
    atMost: 1,
  },
];

const metrics = [
  { key: 'rate', unit: 'events/s', better: 'more' },
  { key: 'cpu', unit: 'client µs', better: 'less' },
] as const;

let runs = 0;

function publishing(streams: Streams, publisher: AggregatePublisher, aggregates: number, events: number) {
  const payload = { text: paddingFor(BYTES) };
  return async (): Promise<{ rate: number; cpu: number }> => {
    await streams.empty(TOPIC);
    const run = ++runs;
    const watch = new Stopwatch(events);
    watch.begin();
    const calls: Promise<unknown>[] = [];
    for (let index = 0; index < events; index++)
      calls.push(
        publisher.publish({ aggregateId: `${run}-${index % aggregates}`, type: 'Counted', payload }),
      );
    await Promise.all(calls);
    watch.end(events);
    return { rate: watch.rate(), cpu: watch.cpu() };
  };
}

async function comparePublishing(bench: Bench, streams: Streams): Promise<void> {
  const events = bench.scaled(PUBLISHED, 50);
  const services = await Promise.all(
    CLIENTS.map((client) => Service.start(optionsFor(bench.server.url, [TOPIC], { client }))),
  );
  try {
    for (const aggregates of AGGREGATES) {
      const contenders = services.map((service, index): Contender => {
        const run = publishing(streams, service.publisher(TOPIC), aggregates, events);
        return { name: CLIENTS[index]!, run };
      });
      // Opened with the first call.
      for (const service of services)
        await service.publisher(TOPIC).publish({ aggregateId: 'first', type: 'Counted', payload: 1 });
      const title = `${events} events of ${aggregates} aggregate(s) are published`;
      await bench.compare({
        ...{ id: `publish-${aggregates}`, title, metrics, baseline: 'nats', contenders },
      });
    }
  } finally {
    for (const service of services) await service.close();
  }
}

async function compareConsuming(bench: Bench, streams: Streams): Promise<void> {
  const { url } = bench.server;
  const events = bench.scaled(CONSUMED, 200);
  for (const aggregates of AGGREGATES) {
    const topic = `clients-${aggregates}`;
    await storeBacklog(url, streams, topic, { events, aggregates });
    const contenders = CLIENTS.map((client) =>
      new Reading({ url, streams, topic, events, client }, client).nest(client, trivial),
    );
    const title = `${events} stored events of ${aggregates} aggregate(s), trivial handler through Nest`;
    await bench.compare({
      ...{ id: `consume-${aggregates}`, title, metrics, baseline: 'nats', contenders },
    });
    await streams.remove(topic);
  }
}

/** Requests of a stream's state, so many at once. */
async function asked(events: number, ask: () => Promise<unknown>): Promise<{ rate: number; cpu: number }> {
  const watch = new Stopwatch(events);
  watch.begin();
  let left = events;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await ask();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  watch.end(events);
  return { rate: watch.rate(), cpu: watch.cpu() };
}

interface AskingClient {
  request(subject: string, body: string, options: { timeout: number }): Promise<unknown>;
}

async function compareRequests(bench: Bench): Promise<void> {
  const events = bench.scaled(REQUESTS, 50);
  const subject = '$JS.API.INFO';
  const connections = await Promise.all(
    CLIENTS.map((client) =>
      Connection.open({ servers: bench.server.url }, 'bench', silentLog, { client, mayWait: false }),
    ),
  );
  try {
    const contenders = connections.flatMap(({ nats }): Contender[] => {
      const raw = nats.raw as AskingClient;
      return [
        {
          name: CLIENTS_REQUEST(nats.client),
          run: () => asked(events, () => raw.request(subject, '', { timeout: 5_000 })),
        },
        {
          name: OWN_REQUEST(nats.client),
          run: () => asked(events, () => nats.request(subject, '', { timeoutMs: 5_000 })),
        },
      ];
    });
    const title = `${events} requests to JetStream, ${AT_ONCE} at once`;
    await bench.compare({
      ...{ id: 'requests', title, metrics, baseline: CLIENTS_REQUEST('nats'), contenders },
    });
  } finally {
    for (const connection of connections) await connection.close();
  }
}

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  try {
    await comparePublishing(bench, streams);
    await compareConsuming(bench, streams);
    await compareRequests(bench);
  } finally {
    await streams.close();
  }
}

export const clients: Suite = {
  name: 'clients',
  about: 'the two NATS clients under the same work, and requests over an inbox of our own',
  goals,
  isQuick: true,
  run,
};
