import type { AggregatePublisher } from 'nestjs-aggregate-transport';
import { connect, type JetStreamClient, type NatsConnection } from 'nats';
import { clientPublish, pipelined, type Publishing, unacked } from '../contenders/raw-publish.js';
import { Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import type { Contender, Sample } from '../section.js';
import { Stopwatch } from '../stopwatch.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, paddingFor, rawMessage } from '../workload.js';

const TOPIC = 'published';
const AGGREGATES = [1, 10, 100, 1_000, 100_000];
const SIZES = [256, 1_024];
/** What one wave publishes before it waits: twice what `maxPending` lets out, so that calls wait too. */
const EVENTS = 20_000;
const IN_FLIGHT = 2_048;

const CEILING = 'raw own inbox';
const OURS = 'ours publish';
const CLIENT = 'js.publish, window 10 000';
const ONE_BY_ONE = 'ours publish one by one';
const CLIENT_ONE_BY_ONE = 'js.publish one by one';

const goals: Goal[] = [
  {
    text: '1 000 aggregates, 256 B: ours against the own-inbox ceiling',
    section: '1000-aggregates-256',
    contender: OURS,
    metric: 'rate',
    against: CEILING,
    atLeast: 0.75,
  },
  {
    text: '1 000 aggregates, 256 B: ours against js.publish pipelined',
    section: '1000-aggregates-256',
    contender: OURS,
    metric: 'rate',
    against: CLIENT,
    atLeast: 3.5,
  },
  {
    text: 'one aggregate: the fast lane against one event at a time',
    section: '1-aggregates-256',
    contender: OURS,
    metric: 'rate',
    against: 'ours, without the fast lane',
    atLeast: 5,
  },
  {
    text: 'one aggregate: ours against the own-inbox ceiling',
    section: '1-aggregates-256',
    contender: OURS,
    metric: 'rate',
    against: CEILING,
    atLeast: 0.6,
  },
  {
    text: 'one call after the other: a call of ours takes as long as one of js.publish, or 1.15 times',
    section: '1000-aggregates-256',
    contender: ONE_BY_ONE,
    metric: 'rate',
    against: CLIENT_ONE_BY_ONE,
    atLeast: 0.87,
  },
];

interface Work {
  readonly aggregates: number;
  readonly bytes: number;
  readonly events: number;
}

function publishing({ aggregates, bytes, events }: Work, round: number): Publishing {
  const payload = { text: paddingFor(bytes) };
  return {
    events,
    window: IN_FLIGHT,
    messageOf: (index) => rawMessage(TOPIC, `${round}-${index % aggregates}`, payload),
  };
}

async function ours(publisher: AggregatePublisher, work: Work, round: number): Promise<void> {
  const payload = { text: paddingFor(work.bytes) };
  const calls: Promise<unknown>[] = [];
  for (let index = 0; index < work.events; index++)
    calls.push(
      publisher.publish({ aggregateId: `${round}-${index % work.aggregates}`, type: 'Counted', payload }),
    );
  await Promise.all(calls);
}

async function oneByOne(publisher: AggregatePublisher, work: Work, round: number): Promise<void> {
  const payload = { text: paddingFor(work.bytes) };
  for (let index = 0; index < work.events; index++)
    await publisher.publish({ aggregateId: `${round}-${index % work.aggregates}`, type: 'Counted', payload });
}

async function oursAll(publisher: AggregatePublisher, work: Work, round: number): Promise<void> {
  const payload = { text: paddingFor(work.bytes) };
  const events = Array.from({ length: work.events }, (_, index) => ({
    aggregateId: `${round}-${index % work.aggregates}`,
    type: 'Counted',
    payload,
  }));
  await publisher.publishAll(events);
}

interface Clients {
  readonly nats: NatsConnection;
  readonly js: JetStreamClient;
  readonly jsLean: JetStreamClient;
  readonly inBatches: AggregatePublisher;
  /** Its service sends no batches. */
  readonly withoutBatches: AggregatePublisher;
}

function contendersFor(streams: Streams, clients: Clients, work: Work): Contender[] {
  /** One run: an empty stream, the clock, and a count of what was stored. */
  const run = async (publish: () => Promise<void>, events: number): Promise<Sample> => {
    await streams.empty(TOPIC);
    const watch = new Stopwatch(events);
    watch.begin();
    await publish();
    watch.end(events);
    const [rate, cpu] = [watch.rate(), watch.cpu()];
    return { rate, cpu, lost: events - (await streams.count(TOPIC)) };
  };
  const { nats, js, jsLean, inBatches, withoutBatches } = clients;
  const all = work.events;
  const withClient = (client: JetStreamClient, events: number, window: number) => (round: number) =>
    run(() => clientPublish(client, { ...publishing(work, round), events, window }), events);
  const contenders: Contender[] = [
    {
      name: CEILING,
      run: (round) => run(() => pipelined(nats, publishing(work, round)), all),
    },
    {
      name: 'raw own inbox, with dedup ids',
      run: (round) => run(() => pipelined(nats, { ...publishing(work, round), withId: true }), all),
    },
    {
      name: 'core publish, no acks',
      run: (round) => run(() => unacked(nats, publishing(work, round)), all),
    },
    { name: OURS, run: (round) => run(() => ours(inBatches, work, round), all) },
    { name: 'ours publishAll', run: (round) => run(() => oursAll(inBatches, work, round), all) },
  ];
  // What the rest costs is the same at any size.
  if (work.bytes !== SIZES[0]) return contenders;
  if (work.aggregates <= 10)
    contenders.push({
      name: 'ours, without the fast lane',
      run: (round) => run(() => ours(withoutBatches, work, round), all),
    });
  const few = { ...work, events: Math.ceil(all / 20) };
  contenders.push(
    { name: ONE_BY_ONE, run: (round) => run(() => oneByOne(inBatches, few, round), few.events) },
    { name: CLIENT, run: withClient(js, all, 10_000) },
    { name: 'js.publish, window 256, no traces', run: withClient(jsLean, all, 256) },
    { name: CLIENT_ONE_BY_ONE, run: withClient(js, few.events, 1) },
  );
  return contenders;
}

async function run(bench: Bench): Promise<void> {
  const { url } = bench.server;
  const streams = await Streams.open(url);
  const plain = await connect({ servers: url });
  const service = await Service.start(optionsFor(url, [TOPIC]));
  const slow = await Service.start(optionsFor(url, [TOPIC], { publish: { maxBatch: 1 } }));
  try {
    const clients: Clients = {
      nats: streams.nats,
      js: plain.jetstream(),
      jsLean: streams.nats.jetstream(),
      inBatches: service.publisher(TOPIC),
      withoutBatches: slow.publisher(TOPIC),
    };
    // Opened with the first call.
    await clients.inBatches.publish({ aggregateId: 'first', type: 'Counted', payload: 1 });
    await clients.withoutBatches.publish({ aggregateId: 'first', type: 'Counted', payload: 1 });
    for (const bytes of SIZES) {
      for (const aggregates of AGGREGATES) {
        const work = { aggregates, bytes, events: bench.scaled(EVENTS, 50) };
        await bench.compare({
          id: `${aggregates}-aggregates-${bytes}`,
          title: `${work.events} events of ${aggregates} aggregate(s), bodies of ${bytes} B`,
          metrics: [
            { key: 'rate', unit: 'events/s', better: 'more' },
            { key: 'cpu', unit: 'client µs', better: 'less' },
            { key: 'lost', unit: 'lost', better: 'less' },
          ],
          baseline: CEILING,
          contenders: contendersFor(streams, clients, work),
        });
      }
    }
  } finally {
    await service.close();
    await slow.close();
    await plain.close();
    await streams.close();
  }
}

export const publish: Suite = {
  name: 'publish',
  about: 'storing events: ours, the raw ceiling, the client’s own publish',
  goals,
  isQuick: true,
  run,
};
