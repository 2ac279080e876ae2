import { MemoryPeak } from '../memory-peak.js';
import type { Contender } from '../section.js';
import type { Bench } from '../suite.js';
import { disordersIn, type OutboxWorld, type ServiceOptions } from './outbox-world.js';

const HOT_ROWS = 40_000;
const BACKLOG_ROWS = 1_000_000;
const BACKLOG_AGGREGATES = 10_000;

export const ALONE = 'one event a round trip';
export const BATCHED = 'atomic batches';
export const BACKLOG = 'relay';
const HOT = [1, 10] as const;

interface Drain {
  readonly rows: number;
  readonly aggregates: number;
  readonly options?: ServiceOptions;
}

/** Rows that wait when the relay starts, to the last one stored. */
function draining(world: OutboxWorld, name: string, { rows, aggregates, options = {} }: Drain): Contender {
  return {
    name,
    run: async () => {
      const topic = world.nextTopic();
      await world.fill(topic, rows, aggregates);
      const peak = new MemoryPeak();
      const service = await world.service(topic, options);
      const startedAt = performance.now();
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
