import { type AggregatePublisher, subjectOf, tokenOf } from 'nestjs-aggregate-transport';
import { connect, type JetStreamClient, type NatsConnection } from 'nats';
import { clientPublish, pipelined, type Publishing, unacked } from '../contenders/raw-publish.js';
import { Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import type { Contender, Sample } from '../section.js';
import { Stopwatch } from '../stopwatch.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor, paddingFor, prepareSubjects, rawMessage } from '../workload.js';

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
  ...(['lost', 'extra', 'foreign'] as const).map((metric): Goal => ({
    text: `1 000 aggregates, 256 B: events ${{ lost: 'lost', extra: 'too many', foreign: 'of other runs' }[metric]}`,
    section: '1000-aggregates-256',
    contender: OURS,
    metric,
    of: 'worst',
    atMost: 0,
  })),
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

/** The aggregate of an event. Each run has aggregates of its own, so that it counts its own events only. */
function aggregateOf(run: number, index: number, { aggregates }: Work): string {
  return `${run}-${index % aggregates}`;
}

function publishing(work: Work, run: number): Publishing {
  const payload = { text: paddingFor(work.bytes) };
  return {
    events: work.events,
    window: IN_FLIGHT,
    messageOf: (index) => rawMessage(TOPIC, aggregateOf(run, index, work), payload),
  };
}

async function ours(publisher: AggregatePublisher, work: Work, run: number): Promise<void> {
  const payload = { text: paddingFor(work.bytes) };
  const calls: Promise<unknown>[] = [];
  for (let index = 0; index < work.events; index++)
    calls.push(publisher.publish({ aggregateId: aggregateOf(run, index, work), type: 'Counted', payload }));
  await Promise.all(calls);
}

async function oneByOne(publisher: AggregatePublisher, work: Work, run: number): Promise<void> {
  const payload = { text: paddingFor(work.bytes) };
  for (let index = 0; index < work.events; index++)
    await publisher.publish({ aggregateId: aggregateOf(run, index, work), type: 'Counted', payload });
}

async function oursAll(publisher: AggregatePublisher, work: Work, run: number): Promise<void> {
  const payload = { text: paddingFor(work.bytes) };
  const events = Array.from({ length: work.events }, (_, index) => ({
    aggregateId: aggregateOf(run, index, work),
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

/** How many events each subject of a run gets. */
function expectedOf(work: Work, run: number): ReadonlyMap<string, number> {
  const ids = Array.from({ length: Math.min(work.aggregates, work.events) }, (_, index) =>
    aggregateOf(run, index, work),
  );
  const [least, more] = [Math.floor(work.events / work.aggregates), work.events % work.aggregates];
  return new Map(
    prepareSubjects(TOPIC, ids).map((subject, index) => [subject, least + (index < more ? 1 : 0)]),
  );
}

let runs = 0;

function contendersFor(streams: Streams, clients: Clients, work: Work): Contender[] {
  /** One run: an empty stream, the clock, and a count of what was stored, by its own aggregates. */
  const run = async (publish: (run: number) => Promise<void>, all: Work): Promise<Sample> => {
    const number = ++runs;
    const expected = expectedOf(all, number);
    await streams.empty(TOPIC);
    const watch = new Stopwatch(all.events);
    watch.begin();
    await publish(number);
    watch.end(all.events);
    const [rate, cpu] = [watch.rate(), watch.cpu()];
    // What is not acked may still be under way. It would be counted with the next run.
    await streams.whenUnackedStored(subjectOf(TOPIC, tokenOf('first')));
    return { rate, cpu, ...compareCounts(expected, await streams.countBySubject(TOPIC)) };
  };
  const { nats, js, jsLean, inBatches, withoutBatches } = clients;
  const withClient = (client: JetStreamClient, less: Work, window: number) => () =>
    run((number) => clientPublish(client, { ...publishing(less, number), window }), less);
  const contenders: Contender[] = [
    {
      name: CEILING,
      run: () => run((number) => pipelined(nats, publishing(work, number)), work),
    },
    {
      name: 'raw own inbox, with dedup ids',
      run: () => run((number) => pipelined(nats, { ...publishing(work, number), withId: true }), work),
    },
    {
      name: 'core publish, no acks',
      run: () => run((number) => unacked(nats, publishing(work, number)), work),
    },
    { name: OURS, run: () => run((number) => ours(inBatches, work, number), work) },
    { name: 'ours publishAll', run: () => run((number) => oursAll(inBatches, work, number), work) },
  ];
  // What the rest costs is the same at any size.
  if (work.bytes !== SIZES[0]) return contenders;
  if (work.aggregates <= 10)
    contenders.push({
      name: 'ours, without the fast lane',
      run: () => run((number) => ours(withoutBatches, work, number), work),
    });
  const few = { ...work, events: Math.ceil(work.events / 20) };
  contenders.push(
    { name: ONE_BY_ONE, run: () => run((number) => oneByOne(inBatches, few, number), few) },
    { name: CLIENT, run: withClient(js, work, 10_000) },
    { name: 'js.publish, window 256, no traces', run: withClient(jsLean, work, 256) },
    { name: CLIENT_ONE_BY_ONE, run: withClient(js, few, 1) },
  );
  return contenders;
}

/** Events that are missing, that an aggregate has too many of, and that are of another run. */
function compareCounts(
  expected: ReadonlyMap<string, number>,
  found: ReadonlyMap<string, number>,
): { lost: number; extra: number; foreign: number } {
  const counts = { lost: 0, extra: 0, foreign: 0 };
  for (const [subject, count] of expected) {
    const surplus = (found.get(subject) ?? 0) - count;
    if (surplus < 0) counts.lost -= surplus;
    else counts.extra += surplus;
  }
  for (const [subject, count] of found) if (!expected.has(subject)) counts.foreign += count;
  return counts;
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
            { key: 'extra', unit: 'too many', better: 'less' },
            { key: 'foreign', unit: 'of other runs', better: 'less' },
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
