import { expect, test } from '@jest/globals';
import type { Transaction } from 'nestjs-aggregate-transport-postgres';
import type pg from 'pg';
import { eventually } from '../../support/eventually.js';
import { fixtureForEach, postgresForAll } from '../../support/postgres.js';
import { seededRandom } from '../../support/seeded.js';

const SESSIONS = 200;
const AGGREGATES = 10_000;
const TRANSACTIONS_PER_SESSION = 100;

const server = postgresForAll({ settings: { max_connections: '300' } });
const fixture = fixtureForEach(server, 2);

function typeOf(event: string | null): string {
  return (JSON.parse(event!) as { event_type: string }).event_type;
}

/** From the sixth run on a prepared statement may have a plan that does not know its values. */
const RUNS = 8;

test.each<[string, (client: pg.Client) => Transaction]>([
  ['whose client tells that it is open', (client) => client],
  ['that tells nothing', (client) => (sql, values) => client.query(sql, values)],
])('of two transactions %s, the first to add has the lower id, even if it commits last', async (_way, of) => {
  const given = await fixture();
  const outbox = given.outbox();
  const [one, other] = [await given.client(), await given.client()];
  const sequence = given.names.of('outbox').replace('"outbox"', 'outbox_id_seq');
  for (let run = 0; run < RUNS; run++) {
    await one.query('begin');
    await other.query('begin');
    await outbox.add(of(one), { aggregateId: 'a', type: 'First', payload: 1 });
    const later = outbox.add(of(other), [
      { aggregateId: 'a', type: 'Second', payload: 2 },
      { aggregateId: 'b', type: 'Second', payload: 2 },
    ]);
    await eventually('the second transaction waits for the lock', async () => {
      const { rows } = await given.pool.query(
        `select from pg_locks where locktype = 'advisory' and not granted`,
      );
      return rows.length === 1;
    });
    // It draws no id while it waits.
    const { rows: drawn } = await given.pool.query(`select last_value::int as last from ${sequence}`);
    expect(drawn).toEqual([{ last: 3 * run + 1 }]);
    await one.query('commit');
    await later;
    await other.query('commit');
  }
  const rows = await given.rows();
  expect(rows.map(({ event }) => typeOf(event))).toEqual(
    Array.from({ length: RUNS }, () => ['First', 'Second', 'Second']).flat(),
  );
});

test('add takes one round trip in an open transaction of pg, and its statement stays prepared', async () => {
  const given = await fixture();
  const outbox = given.outbox();
  const client = await given.client();
  const asked: unknown[] = [];
  const query = client.query.bind(client) as (...args: unknown[]) => Promise<pg.QueryResult>;
  Object.assign(client, { query: (...args: unknown[]) => (asked.push(args[0]), query(...args)) });
  for (let run = 0; run < 2; run++) {
    await client.query('begin');
    await outbox.add(client, { aggregateId: 'a', type: 'T', payload: run });
    await client.query('commit');
  }
  const names = asked.map((one) => (typeof one === 'object' ? (one as { name: string }).name : undefined));
  expect(names).toEqual([
    ...[undefined, undefined, undefined],
    ...[undefined, given.names.statementName('outbox'), undefined],
  ]);
});

test('a connection that has thrown its statements away is told to retry once, and then prepares nothing', async () => {
  const given = await fixture();
  const outbox = given.outbox();
  const client = await given.client();
  const add = async (): Promise<void> => {
    await client.query('begin');
    try {
      await outbox.add(client, { aggregateId: 'a', type: 'T', payload: 1 });
      await client.query('commit');
    } catch (error) {
      await client.query('rollback');
      throw error;
    }
  };
  await add();
  await add();
  await client.query('discard all');
  await expect(add()).rejects.toMatchObject({
    code: 'TRANSACTION_RETRY',
    cause: { code: expect.anything() },
  });
  await add();
  await add();
  expect(await given.rows()).toHaveLength(4);
});

test('events of different aggregates wait for nothing', async () => {
  const given = await fixture();
  const outbox = given.outbox();
  const [one, other] = [await given.client(), await given.client()];
  await one.query('begin');
  await outbox.add(one, { aggregateId: 'a', type: 'T', payload: 1 });
  await other.query('begin');
  await outbox.add(other, { aggregateId: 'b', type: 'T', payload: 1 });
  await other.query('commit');
  await one.query('commit');
  expect((await given.rows()).map(({ aggregate }) => aggregate)).toEqual(['a', 'b']);
});

test('events of one list have ids in the order given', async () => {
  const given = await fixture();
  const client = await given.client();
  const aggregates = Array.from({ length: 1_000 }, (_, index) => `a${(index * 7_919) % 1_000}`);
  await client.query('begin');
  const { eventIds } = await given.outbox().add(
    client,
    aggregates.map((aggregateId, payload) => ({ aggregateId, type: 'T', payload })),
  );
  await client.query('commit');
  const rows = await given.rows();
  expect(rows.map(({ aggregate }) => aggregate)).toEqual(aggregates);
  expect(rows.map(({ event_id: id }) => id)).toEqual(eventIds);
});

test('lists of the same aggregates in any order end in no deadlock', async () => {
  const given = await fixture();
  const outbox = given.outbox();
  const aggregates = Array.from({ length: 50 }, (_, index) => `a${index}`);
  const add = async (order: readonly string[]): Promise<void> => {
    const client = await given.client();
    for (let round = 0; round < 20; round++) {
      await client.query('begin');
      await outbox.add(
        client,
        order.map((aggregateId) => ({ aggregateId, type: 'T', payload: round })),
      );
      await client.query('commit');
    }
  };
  await Promise.all([add(aggregates), add(aggregates.toReversed()), add(aggregates.toSorted())]);
  expect(await given.rows()).toHaveLength(3 * 20 * 50);
});

test('two transactions that lock each other out: one is told to retry, and the other commits', async () => {
  const given = await fixture();
  const outbox = given.outbox();
  const [one, other] = [await given.client(), await given.client()];
  await one.query('begin');
  await other.query('begin');
  await outbox.add(one, { aggregateId: 'a', type: 'T', payload: 1 });
  await outbox.add(other, { aggregateId: 'b', type: 'T', payload: 1 });
  const ends = await Promise.allSettled(
    [one, other].map(async (client) => {
      try {
        await outbox.add(client, { aggregateId: client === one ? 'b' : 'a', type: 'T', payload: 2 });
        await client.query('commit');
      } catch (error) {
        await client.query('rollback');
        throw error;
      }
    }),
  );
  const refused = ends.filter((end) => end.status === 'rejected');
  expect(refused).toHaveLength(1);
  expect(refused[0]!.reason).toMatchObject({
    code: 'TRANSACTION_RETRY',
    message: expect.stringContaining('run the whole transaction again'),
  });
  expect(await given.rows()).toHaveLength(2);
});

/**
 * Each transaction counts its aggregate's version up in a row of its own first, as a service does. The events must then
 * have ids in the order of versions, whichever way the transactions interleave and some of them roll back.
 */
test(`${SESSIONS} sessions over ${AGGREGATES} aggregates: ids follow the order of commits, and nothing of a rollback stays`, async () => {
  const given = await fixture();
  const outbox = given.outbox();
  const counter = given.names.of('outbox').replace('"outbox"', '"counter"');
  await given.pool.query(`create table ${counter} (id text primary key, version int not null)`);
  const random = seededRandom('sessions at random');
  let committed = 0;
  const session = async (): Promise<void> => {
    const client = await given.client();
    for (let round = 0; round < TRANSACTIONS_PER_SESSION; round++) {
      // Half of the load is on few aggregates.
      const span = random() < 0.5 ? 20 : AGGREGATES;
      const aggregateId = `order ${Math.floor(random() * span)}`;
      await client.query('begin');
      // The lock of `add` is the first one taken: the service's own row follows.
      await outbox.add(client, { aggregateId, type: 'T', payload: 'before' });
      const { rows } = await client.query<{ version: number }>(
        `insert into ${counter} as c values ($1, 1) on conflict (id) do update set version = c.version + 1 returning version`,
        [aggregateId],
      );
      await outbox.add(client, { aggregateId, type: 'T', payload: rows[0]!.version });
      const isKept = random() < 0.9;
      await client.query(isKept ? 'commit' : 'rollback');
      if (isKept) committed += 2;
    }
  };
  await Promise.all(Array.from({ length: SESSIONS }, session));
  const rows = await given.rows();
  expect(rows).toHaveLength(committed);
  const versions = new Map<string, number>();
  let violations = 0;
  for (const { aggregate, event } of rows) {
    const { payload } = JSON.parse(event!) as { payload: unknown };
    if (payload === 'before') continue;
    const version = (versions.get(aggregate) ?? 0) + 1;
    if (payload !== version) violations++;
    versions.set(aggregate, version);
  }
  expect(violations).toBe(0);
}, 180_000);
