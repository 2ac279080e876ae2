import { randomUUID } from 'node:crypto';
import { type AggregatePublisher, subjectOf } from 'nestjs-aggregate-transport';
import { atomicBatches, fastIngest, type Queue, readSequences } from '../contenders/fast-lane-prototypes.js';
import { Service } from '../contenders/service.js';
import type { Goal } from '../goal.js';
import type { Contender } from '../section.js';
import { Streams } from '../streams.js';
import type { Bench, Suite } from '../suite.js';
import { optionsFor } from '../workload.js';

const EVENTS = 10_000;
const SPREADS = [1, 3, 10, 100];
const TOPIC = 'lane';
const PAYLOAD = { text: 'x'.repeat(120), amount: 1 };
const ONE_BY_ONE = 'ours, one by one';

const goals: Goal[] = [
  {
    text: 'one aggregate, 10 000 queued events: batches of 1 000 against one by one',
    section: '1',
    contender: 'ours, batches of 1 000',
    metric: 'rate',
    against: ONE_BY_ONE,
    atLeast: 5,
  },
];

function queueOf(token: string, events: number): Queue {
  return {
    stream: TOPIC,
    subject: subjectOf(TOPIC, token),
    events,
    encode: (n) => {
      const eventId = randomUUID();
      const body = JSON.stringify({
        event_id: eventId,
        aggregate_id: token,
        event_type: 'Counted',
        event_version: 1,
        timestamp: new Date().toISOString(),
        aggregate_version: n,
        payload: PAYLOAD,
      });
      return { headers: `Nats-Msg-Id: ${token}:${eventId}\r\n`, body: Buffer.from(body) };
    },
  };
}

type Making = (spread: number, events: number) => Contender;

async function publishAll(
  publisher: AggregatePublisher,
  aggregateIds: readonly string[],
  events: number,
): Promise<void> {
  const event = { type: 'Counted', payload: PAYLOAD };
  const calls: Promise<unknown>[] = [];
  for (let n = 1; n <= events; n++)
    for (const aggregateId of aggregateIds)
      calls.push(publisher.publish({ ...event, aggregateId, aggregateVersion: n }));
  await Promise.all(calls);
}

async function run(bench: Bench): Promise<void> {
  const streams = await Streams.open(bench.server.url);
  const { nats } = streams;
  const services: Service[] = [];
  /** The library as a service uses it, all aggregates side by side, as its requests would come. */
  const ours = async (name: string, maxBatch: number): Promise<Making> => {
    const service = await Service.start(optionsFor(bench.server.url, [TOPIC], { publish: { maxBatch } }));
    services.push(service);
    const publisher = service.publisher(TOPIC);
    await publisher.publish({ aggregateId: 'first', type: 'Counted', payload: PAYLOAD });
    return (spread, events) =>
      timed(streams, name, { spread, events }, (queues) => publishAll(publisher, [...queues.keys()], events));
  };
  const prototype =
    (name: string, store: (queue: Queue) => Promise<unknown>): Making =>
    (spread, events) =>
      timed(streams, name, { spread, events }, (queues) => Promise.all([...queues.values()].map(store)));
  try {
    const contenders = [
      await ours(ONE_BY_ONE, 1),
      await ours('ours, fast lane', 500),
      await ours('ours, batches of 1 000', 1_000),
      prototype('fast ingest', (queue) => fastIngest(nats, queue)),
      prototype('fast ingest, sequences read back', async (queue) => {
        await fastIngest(nats, queue);
        await readSequences(nats, queue);
      }),
      ...[100, 500, 1_000].map((size) =>
        prototype(`atomic batches of ${size}`, (queue) => atomicBatches(nats, queue, size)),
      ),
    ];
    await streams.allow(TOPIC, { allow_batched: true, allow_atomic: true, allow_direct: true });
    for (const spread of SPREADS) {
      const events = Math.floor(bench.scaled(EVENTS, 200) / spread);
      await bench.compare({
        id: String(spread),
        title: `${events * spread} queued events of ${spread} aggregate(s)`,
        metrics: [{ key: 'rate', unit: 'events/s', better: 'more' }],
        baseline: ONE_BY_ONE,
        maxRounds: 3,
        contenders: contenders.map((contender) => contender(spread, events)),
      });
    }
  } finally {
    for (const service of services) await service.close();
    await streams.close();
  }
}

let runs = 0;

/** Stores the queues of some aggregates that no run before it knew, and checks that all of it is stored. */
function timed(
  streams: Streams,
  name: string,
  { spread, events }: { spread: number; events: number },
  store: (queues: ReadonlyMap<string, Queue>) => Promise<unknown>,
): Contender {
  return {
    name,
    run: async () => {
      await streams.empty(TOPIC);
      const id = ++runs;
      const tokens = Array.from({ length: spread }, (_, index) => `${id}-${index}`);
      const queues = new Map(tokens.map((token) => [token, queueOf(token, events)]));
      const startedAt = performance.now();
      await store(queues);
      const rate = (events * spread * 1_000) / (performance.now() - startedAt);
      const stored = await streams.count(TOPIC);
      if (stored !== events * spread) throw new Error(`${name}: ${stored} of ${events * spread} stored`);
      return { rate };
    },
  };
}

export const fastLane: Suite = {
  name: 'fast-lane',
  about: 'a hot aggregate’s queue: one by one, in atomic batches, by fast ingest (decision 0004)',
  goals,
  run,
};
