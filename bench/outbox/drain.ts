import { MemoryPeak } from '../memory-peak.js';
import type { Contender } from '../section.js';
import type { Bench } from '../suite.js';
import { fillNaively, makeNaiveTable, relayNaively } from './naive-relay.js';
import { disordersIn, type OutboxWorld, type ServiceOptions } from './outbox-world.js';

const HOT_ROWS = 40_000;
const BACKLOG_ROWS = 1_000_000;
const BACKLOG_AGGREGATES = 10_000;

export const ALONE = 'one event a round trip';
export const BATCHED = 'atomic batches';
export const BACKLOG = 'relay';
const HOT = [1, 10] as const;
export const RELAY = 'relay alone';
export const NAIVE_RELAY = 'naive polling relay alone';

const WAITING_ROWS = 40_000;
const WAITING_AGGREGATES = 1_000;
/** The naive relay gets fewer, or a round would take minutes. */
const NAIVE_SHARE = 20;

interface Drain {
  readonly rows: number;
  readonly aggregates: number;
  readonly options?: ServiceOptions;
  /** The start of the service counts, too: its relay may begin before the start has ended. */
  readonly withStart?: boolean;
}

/** Rows that wait when the relay starts, to the last one stored. */
function draining(
  world: OutboxWorld,
  name: string,
  { rows, aggregates, options = {}, withStart = false }: Drain,
): Contender {
  return {
    name,
    run: async () => {
      const topic = world.nextTopic();
      await world.fill(topic, rows, aggregates);
      const peak = new MemoryPeak();
      const calledAt = performance.now();
      const service = await world.service(topic, options);
      const startedAt = withStart ? calledAt : performance.now();
      await world.untilStored(topic, rows);
      const ms = performance.now() - startedAt;
      await world.untilMarked();
      const memory = peak.stop();
      const stored = await world.storedOf(topic);
      let wrong = 0;
      let count = 0;
      for (const numbers of stored.values()) {
        wrong += disordersIn(numbers);
        count += numbers.length;
      }
      await service.close();
      await world.remove(topic);
      return { rate: (rows * 1_000) / ms, memory, wrong: wrong + Math.abs(rows - count) };
    },
  };
}

const METRICS = [
  { key: 'rate', unit: 'rows/s', better: 'more' },
  { key: 'memory', unit: 'MiB of memory', better: 'less' },
  { key: 'wrong', unit: 'lost, twice or out of order', better: 'less' },
] as const;

export async function compareHot(bench: Bench, world: OutboxWorld): Promise<void> {
  for (const aggregates of HOT) {
    const rows = bench.scaled(HOT_ROWS, 200);
    await bench.compare({
      id: `hot-${aggregates}`,
      title: `${rows} rows of ${aggregates} aggregate(s) that wait when the relay starts`,
      metrics: METRICS,
      baseline: ALONE,
      contenders: [
        draining(world, ALONE, { rows, aggregates, options: { publish: { maxBatch: 1 } } }),
        draining(world, BATCHED, { rows, aggregates }),
      ],
      notes: ['One event a round trip is what a stream without allow_atomic, or nats-server 2.10, has.'],
    });
  }
}

/** What the relays alone can do: nothing is added while they run. */
export async function compareRelays(bench: Bench, world: OutboxWorld): Promise<void> {
  await makeNaiveTable(world);
  const rows = bench.scaled(WAITING_ROWS, 200);
  const naiveRows = Math.ceil(rows / NAIVE_SHARE);
  const naively: Contender = {
    name: NAIVE_RELAY,
    run: async () => {
      const topic = world.nextTopic();
      await world.streams.add(topic, [`${topic}.>`]);
      await fillNaively(world, topic, naiveRows, WAITING_AGGREGATES);
      const startedAt = performance.now();
      await relayNaively(world, naiveRows);
      const ms = performance.now() - startedAt;
      await world.remove(topic);
      return { rate: (naiveRows * 1_000) / ms };
    },
  };
  await bench.compare({
    id: 'relay',
    title: `rows of ${WAITING_AGGREGATES} aggregates that wait when the relay starts, nothing is added meanwhile`,
    metrics: METRICS,
    baseline: NAIVE_RELAY,
    contenders: [naively, draining(world, RELAY, { rows, aggregates: WAITING_AGGREGATES, withStart: true })],
    notes: [
      `The naive relay has a ${NAIVE_SHARE}th of the rows, and its order is not read.`,
      'Ours counts from before its service starts.',
    ],
  });
}

export async function drainBacklog(bench: Bench, world: OutboxWorld): Promise<void> {
  const rows = bench.scaled(BACKLOG_ROWS, 1_000);
  await bench.compare({
    id: 'backlog',
    title: `a backlog of ${rows} rows of ${BACKLOG_AGGREGATES} aggregates`,
    metrics: METRICS,
    baseline: BACKLOG,
    rounds: 1,
    warmUps: 0,
    contenders: [draining(world, BACKLOG, { rows, aggregates: BACKLOG_AGGREGATES })],
    notes: [
      'Memory is what this process used above its start, garbage included; its limits are the defaults.',
    ],
  });
}
