import { randomUUID } from 'node:crypto';
import type { Contender } from '../section.js';
import type { Bench } from '../suite.js';
import { disordersIn, type OutboxWorld } from './outbox-world.js';

const SESSIONS = 200;
const AGGREGATES = 10_000;
/** One of them takes this share of the transactions, so that sessions meet there. */
const HOT_SHARE = 0.1;
const ROWS = 60_000;

export const CROWD = `${SESSIONS} sessions`;

/** Any number below `below`, the same in every run. */
function numbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

/**
 * Each transaction adds an event first, and then counts its aggregate up. So the count tells the order in which the
 * transactions held the aggregate, and the stream must have them in that order.
 */
function crowd(bench: Bench, world: OutboxWorld): Contender {
  const rows = bench.scaled(ROWS, SESSIONS);
  return {
    name: CROWD,
    run: async (round) => {
      const topic = world.nextTopic();
      await world.pool.query('truncate bench.turn');
      await world.pool.query('insert into bench.turn select generate_series(0, $1::int), 0', [AGGREGATES]);
      const service = await world.service(topic);
      const { outbox } = service;
      /** The turn of each committed event, by its number. */
      const turns: number[] = [];
      const draw = numbers(round + 2);
      const startedAt = performance.now();
      let next = 0;
      const session = async (): Promise<void> => {
        const client = await world.pool.connect();
        try {
          while (next < rows) {
            const n = next++;
            const aggregate = draw(1_000) < HOT_SHARE * 1_000 ? 0 : draw(AGGREGATES);
            await client.query('begin');
            const event = {
              aggregateId: `a${aggregate}`,
              type: 'Counted',
              payload: { n },
              eventId: randomUUID(),
            };
            await outbox.add(client, event);
            const { rows: updated } = await client.query<{ n: number }>(
              'update bench.turn set n = n + 1 where id = $1 returning n',
              [aggregate],
            );
            await client.query('commit');
            turns[n] = updated[0]!.n;
          }
        } finally {
          client.release();
        }
      };
      await Promise.all(Array.from({ length: SESSIONS }, session));
      await world.untilStored(topic, rows);
      const ms = performance.now() - startedAt;
      await world.untilMarked();
      let wrong = 0;
      let count = 0;
      for (const stored of (await world.storedOf(topic)).values()) {
        wrong += disordersIn(stored.map((n) => turns[n] ?? 0));
        count += stored.length;
      }
      await service.close();
      await world.remove(topic);
      return { rate: (rows * 1_000) / ms, violations: wrong, missing: Math.abs(rows - count) };
    },
  };
}

export async function measureSessions(bench: Bench, world: OutboxWorld): Promise<void> {
  await world.pool.query(
    'create table bench.turn (id int primary key, n int not null) with (fillfactor = 50)',
  );
  await bench.compare({
    id: 'sessions',
    title: `${CROWD}, one row a transaction, ${AGGREGATES} aggregates, one of them in every tenth transaction`,
    metrics: [
      { key: 'rate', unit: 'rows/s', better: 'more' },
      { key: 'violations', unit: 'order violations', better: 'less' },
      { key: 'missing', unit: 'lost or twice', better: 'less' },
    ],
    baseline: CROWD,
    contenders: [crowd(bench, world)],
    maxRounds: 3,
    notes: ['Read from the stream, against the order in which the transactions held their aggregate.'],
  });
}
