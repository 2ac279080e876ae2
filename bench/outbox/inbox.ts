import { Inbox } from 'nestjs-aggregate-transport-postgres';
import type { Contender } from '../section.js';
import type { Bench } from '../suite.js';
import type { OutboxWorld } from './outbox-world.js';

const EVENTS = 10_000;
const AGGREGATES = 1_000;
const CLIENTS = 8;
const TOPIC = 'inbox';

export const PLAIN = 'the transaction alone';
export const ONCE = 'inbox.once';

interface Querying {
  query(sql: string, values?: unknown[]): PromiseLike<unknown>;
}

/** What a handler does: an invoice, and what its customer owes. */
async function effect(transaction: Querying, n: number): Promise<void> {
  await transaction.query('insert into bench.invoice (customer, amount) values ($1, 1)', [n % AGGREGATES]);
  await transaction.query('update bench.customer set owes = owes + 1 where id = $1', [n % AGGREGATES]);
}

async function timed(events: number, handle: (n: number) => Promise<unknown>): Promise<{ cost: number }> {
  const startedAt = performance.now();
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < events) await handle(next++);
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return { cost: ((performance.now() - startedAt) * 1_000) / events };
}

export async function compareInbox(bench: Bench, world: OutboxWorld): Promise<void> {
  const { pool } = world;
  const events = bench.scaled(EVENTS, 100);
  await pool.query(
    'create table bench.invoice (id bigserial primary key, customer int not null, amount int not null)',
  );
  await pool.query(
    'create table bench.customer (id int primary key, owes int not null default 0) with (fillfactor = 50)',
  );
  await pool.query('insert into bench.customer (id) select generate_series(0, $1::int)', [AGGREGATES]);
  const service = await world.service(TOPIC);
  const inbox = service.get(Inbox);
  let run = 0n;
  const contenders: Contender[] = [
    { name: PLAIN, run: () => timed(events, (n) => world.transaction((client) => effect(client, n))) },
    {
      name: ONCE,
      run: () => {
        run += 1n;
        const base = run << 32n;
        return timed(events, (n) => {
          const place = { position: base + BigInt(n), fencingToken: 1, aggregateId: `a${n % AGGREGATES}` };
          return inbox.once({ group: 'g', topic: TOPIC, ...place }, (client) => effect(client, n));
        });
      },
    },
  ];
  try {
    await bench.compare({
      id: 'inbox',
      title: `${events} events of ${AGGREGATES} aggregates, two statements each, ${CLIENTS} connections`,
      metrics: [{ key: 'cost', unit: 'µs an event', better: 'less' }],
      baseline: PLAIN,
      contenders,
    });
  } finally {
    await service.close();
    await world.remove(TOPIC);
  }
}
