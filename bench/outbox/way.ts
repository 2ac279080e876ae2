import { randomUUID } from 'node:crypto';
import { subjectOf } from 'nestjs-aggregate-transport';
import type { Contender, Sample } from '../section.js';
import type { Bench } from '../suite.js';
import { makeNaiveTable, relayNaively } from './naive-relay.js';
import { type OutboxWorld, TEXT } from './outbox-world.js';

const ROWS = 40_000;
/** The naive relay gets fewer, or a round would take minutes. */
const NAIVE_SHARE = 20;
const AGGREGATES = 1_000;
const CLIENTS = 8;
const ROWS_A_TRANSACTION = 10;

const INSERT = 'plain INSERT';
export const OURS = 'outbox: add, commit, relay, stored';
export const NAIVE = 'naive polling relay';

/** Transactions of some rows each, on a few connections at once. */
async function inTransactions(rows: number, commit: (numbers: number[]) => Promise<unknown>): Promise<void> {
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < rows) {
      const size = Math.min(ROWS_A_TRANSACTION, rows - next);
      const numbers = Array.from({ length: size }, (_, index) => next + index);
      next += size;
      await commit(numbers);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
}

function envelope(n: number): { id: string; subject: string; event: string; aggregateId: string } {
  const aggregateId = `a${n % AGGREGATES}`;
  const id = randomUUID();
  const event = JSON.stringify({
    ...{ event_id: id, aggregate_id: aggregateId, event_type: 'Counted', event_version: 1 },
    ...{ timestamp: new Date().toISOString(), payload: { n, text: TEXT } },
  });
  return { id, aggregateId, event, subject: '' };
}

/** One statement for the rows of a transaction, as `add` has one for a list. */
async function insert(world: OutboxWorld, topic: string, numbers: readonly number[]): Promise<void> {
  const rows = numbers.map((n) => {
    const made = envelope(n);
    return { ...made, subject: subjectOf(topic, made.aggregateId) };
  });
  await world.transaction((client) =>
    client.query(
      `insert into bench.naive (subject, event_id, event)
      select row ->> 'subject', row ->> 'id', (row ->> 'event')::json from json_array_elements($1::json) as row`,
      [JSON.stringify(rows)],
    ),
  );
}

async function timed(rows: number, work: () => Promise<unknown>): Promise<Sample> {
  const startedAt = performance.now();
  await work();
  return { rate: (rows * 1_000) / (performance.now() - startedAt) };
}

function inserting(bench: Bench, world: OutboxWorld): Contender {
  const rows = bench.scaled(ROWS, 100);
  return {
    name: INSERT,
    run: async () => {
      await world.pool.query('truncate bench.naive');
      return timed(rows, () => inTransactions(rows, (numbers) => insert(world, 'plain', numbers)));
    },
  };
}

function naive(bench: Bench, world: OutboxWorld): Contender {
  const rows = Math.ceil(bench.scaled(ROWS, 100) / NAIVE_SHARE);
  return {
    name: NAIVE,
    run: async () => {
      const topic = world.nextTopic();
      await world.streams.add(topic, [`${topic}.>`]);
      await world.pool.query('truncate bench.naive');
      const sample = await timed(rows, () =>
        Promise.all([
          inTransactions(rows, (numbers) => insert(world, topic, numbers)),
          relayNaively(world, rows),
        ]),
      );
      await world.remove(topic);
      return sample;
    },
  };
}

function ours(bench: Bench, world: OutboxWorld): Contender {
  const rows = bench.scaled(ROWS, 100);
  return {
    name: OURS,
    run: async () => {
      const topic = world.nextTopic();
      const service = await world.service(topic);
      const { outbox } = service;
      const sample = await timed(rows, async () => {
        await inTransactions(rows, (numbers) =>
          world.transaction((client) =>
            outbox.add(
              client,
              numbers.map((n) => ({
                ...{ aggregateId: `a${n % AGGREGATES}`, type: 'Counted', payload: { n, text: TEXT } },
              })),
            ),
          ),
        );
        await world.untilStored(topic, rows);
      });
      await world.untilMarked();
      await service.close();
      await world.remove(topic);
      return sample;
    },
  };
}

export async function compareWays(bench: Bench, world: OutboxWorld): Promise<void> {
  await makeNaiveTable(world);
  await bench.compare({
    id: 'way',
    title: `rows of ${AGGREGATES} aggregates, ${ROWS_A_TRANSACTION} a transaction, ${CLIENTS} connections`,
    metrics: [{ key: 'rate', unit: 'rows/s', better: 'more' }],
    baseline: NAIVE,
    contenders: [naive(bench, world), inserting(bench, world), ours(bench, world)],
    notes: [
      'Ours and the naive relay run while rows are added; the clock stops when the last one is stored.',
      `The naive relay has a ${NAIVE_SHARE}th of the rows. PostgreSQL has fsync on.`,
    ],
  });
}
