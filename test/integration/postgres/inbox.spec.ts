import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Inbox, type InboxContext } from 'nestjs-aggregate-transport-postgres';
import type pg from 'pg';
import { PgDatabase } from '#postgres/database/pg-database.js';
import { fixtureForEach, type PostgresFixture, postgresForAll } from '../../support/postgres.js';
import { eventually } from '../../support/eventually.js';

const server = postgresForAll();
const fixture = fixtureForEach(server);

const AN_HOUR_MS = 3_600_000;

const event = (position: number, fencingToken = 1, aggregateId = 'a'): InboxContext => ({
  ...{ group: 'billing', topic: 'orders', aggregateId },
  ...{ position: BigInt(position), fencingToken },
});

interface World {
  readonly given: PostgresFixture;
  readonly inbox: Inbox;
  readonly inboxOn: (database: PgDatabase) => Inbox;
  readonly effects: () => Promise<string[]>;
}

async function world(): Promise<World> {
  const given = await fixture();
  const { database, names, pool } = given;
  await pool.query(`create table "${names.schema}".effects (id serial primary key, what text not null)`);
  const settled = { through: () => Promise.resolve({ group: 'billing', position: 10n }) };
  const inboxOn = (database: PgDatabase): Inbox =>
    new Inbox({ database, names, isOn: true, settled, wallNow: () => Date.now() + AN_HOUR_MS });
  const effects = async (): Promise<string[]> => {
    const { rows } = await pool.query<{ what: string }>(
      `select what from "${names.schema}".effects order by id`,
    );
    return rows.map(({ what }) => what);
  };
  return { given, inbox: inboxOn(database), inboxOn, effects };
}

const writes =
  ({ names }: PostgresFixture, what: string) =>
  (transaction: { query(sql: string, values?: unknown[]): PromiseLike<unknown> }) =>
    transaction.query(`insert into "${names.schema}".effects (what) values ($1)`, [what]);

describe("an event's effect", () => {
  test('is committed with its place, and a repeat runs nothing and says so', async () => {
    const { given, inbox, effects } = await world();
    expect(await inbox.once(event(1), writes(given, 'one'))).toBe('done');
    expect(await inbox.once(event(1), writes(given, 'one again'))).toBe('repeat');
    expect(await inbox.once(event(2), writes(given, 'two'))).toBe('done');
    expect(await effects()).toEqual(['one', 'two']);
  });

  /** A pooler names a process of its own: the server behind it may be another one in each transaction. */
  test.each([
    ['straight to the server, from the second event on', 1, undefined],
    ['through a pooler: never', 0, 1],
  ])('keeps its statement prepared on a connection %s', async (_way, count, processID) => {
    const { given, inboxOn } = await world();
    if (processID !== undefined) given.pool.on('acquire', (client) => Object.assign(client, { processID }));
    const inbox = inboxOn(new PgDatabase(given.pool));
    const prepared: unknown[] = [];
    for (const position of [1, 2, 3]) {
      await inbox.once(event(position), async (transaction) => {
        const answer = await transaction.query('select count(*)::int as count from pg_prepared_statements');
        prepared.push((answer as { rows: { count: number }[] }).rows[0]?.count);
      });
    }
    expect(prepared).toEqual([0, count, count]);
  });

  test('has its place written with the begin of its transaction, in one round trip', async () => {
    const { given, inbox, effects } = await world();
    const asked: unknown[] = [];
    given.pool.once('acquire', (client: pg.PoolClient) => {
      const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
      Object.assign(client, { query: (...args: unknown[]) => (asked.push(args[0]), query(...args)) });
    });
    const found: unknown[][] = [];
    for (const position of [1, 2, 3]) {
      asked.length = 0;
      expect(await inbox.once(event(position), writes(given, String(position)))).toBe('done');
      found.push(asked.map((one) => (typeof one === 'string' ? one.slice(0, 6) : typeof one)));
    }
    const unprepared = ['begin', 'insert', 'insert', 'commit'];
    expect(found).toEqual([
      unprepared,
      ['begin', 'object', 'insert', 'commit'],
      ['object', 'insert', 'commit'],
    ]);
    expect(await effects()).toEqual(['1', '2', '3']);
    expect(await inbox.once(event(3), writes(given, 'again'))).toBe('repeat');
  });

  test('is not applied if its place cannot be written, and the connection serves the next one', async () => {
    const { given, effects, inboxOn } = await world();
    const { names } = given;
    const single = given.single();
    const inbox = inboxOn(single);
    for (const position of [1, 2, 3]) await inbox.once(event(position), writes(given, String(position)));
    await given.pool.query(`alter table ${names.of('inbox')} rename to away`);
    await expect(inbox.once(event(4), writes(given, 'four'))).rejects.toMatchObject({
      code: 'SCHEMA_MISSING',
    });
    await given.pool.query(`alter table ${names.of('inbox').replace('"inbox"', 'away')} rename to inbox`);
    await single.run('discard all', []);
    await expect(inbox.once(event(4), writes(given, 'four'))).rejects.toMatchObject({
      code: 'TRANSACTION_RETRY',
    });
    expect(await inbox.once(event(4), writes(given, 'four'))).toBe('done');
    await single.close();
    expect(await effects()).toEqual(['1', '2', '3', 'four']);
  });

  test('that throws leaves nothing behind, and runs again at the next attempt', async () => {
    const { given, inbox, effects } = await world();
    const boom = new Error('no');
    const failing = async (transaction: Parameters<ReturnType<typeof writes>>[0]): Promise<void> => {
      await writes(given, 'half')(transaction);
      throw boom;
    };
    await expect(inbox.once(event(1), failing)).rejects.toBe(boom);
    expect(await inbox.once(event(1), writes(given, 'whole'))).toBe('done');
    expect(await effects()).toEqual(['whole']);
  });

  test('is refused from an owner that was followed by another, also for an event that is not applied yet', async () => {
    const { given, inbox, effects } = await world();
    await inbox.once(event(5, 7), writes(given, 'by 7'));
    await expect(inbox.once(event(6, 6), writes(given, 'by 6'))).rejects.toMatchObject({
      code: 'FENCED',
      storedToken: 7n,
    });
    expect(inbox.fences()).toMatchObject([{ aggregate: 'a', ownToken: 6n, storedToken: 7n }]);
    expect(await effects()).toEqual(['by 7']);
    await inbox.once(event(6, 7), writes(given, 'six'));
    expect(inbox.fences()).toEqual([]);
  });

  test('of an earlier owner is refused from the moment the next one has seen a repeat', async () => {
    const { given, inbox } = await world();
    await inbox.once(event(5, 6), writes(given, 'five'));
    expect(await inbox.once(event(5, 7), writes(given, 'again'))).toBe('repeat');
    await expect(inbox.once(event(6, 6), writes(given, 'late'))).rejects.toMatchObject({ code: 'FENCED' });
  });

  test('of a frozen owner, whose transaction stands open, is one of two: the second finds the first', async () => {
    const { given, inbox, effects } = await world();
    const frozen = await given.client();
    await frozen.query('begin');
    expect(await inbox.once(event(1, 1), frozen, writes(given, 'frozen'))).toBe('done');
    const next = inbox.once(event(1, 2), writes(given, 'next'));
    await eventually('the next owner waits for the row', async () => {
      const { rows } = await given.pool.query(`select from pg_locks where not granted`);
      return rows.length > 0;
    });
    await frozen.query('commit');
    expect(await next).toBe('repeat');
    expect(await effects()).toEqual(['frozen']);
  });

  test('of a run that began again is applied again, and a reset of the inbox forgets everything', async () => {
    const { given, inbox, effects } = await world();
    const run = 2n ** 48n;
    await inbox.once(event(3, 4), writes(given, 'first run'));
    expect(await inbox.once({ ...event(3, 4), position: run + 1n }, writes(given, 'second run'))).toBe(
      'done',
    );
    expect(await inbox.once(event(9, 4), writes(given, 'late of the first run'))).toBe('repeat');
    expect(await inbox.reset('billing')).toBe(1);
    expect(await inbox.once(event(3, 1), writes(given, 'restored'))).toBe('done');
    expect(await effects()).toEqual(['first run', 'second run', 'restored']);
  });

  test('of one aggregate, or of one group, says nothing about another', async () => {
    const { given, inbox } = await world();
    await inbox.once(event(5), writes(given, 'a'));
    expect(await inbox.once(event(4, 1, 'b/c'), writes(given, 'b'))).toBe('done');
    expect(await inbox.once({ ...event(5), group: 'mail' }, writes(given, 'mail'))).toBe('done');
    expect(await inbox.once({ ...event(5), topic: 'payments' }, writes(given, 'payments'))).toBe('done');
    expect(await inbox.reset('billing', { topic: 'orders', aggregateId: 'b/c' })).toBe(1);
  });
});

describe("the caller's transaction", () => {
  test('decides by its commit', async () => {
    const { given, inbox, effects } = await world();
    const client = await given.client();
    await client.query('begin');
    await inbox.once(event(1), client, writes(given, 'lost'));
    await client.query('rollback');
    await client.query('begin');
    expect(await inbox.once(event(1), client, writes(given, 'kept'))).toBe('done');
    await client.query('commit');
    expect(await effects()).toEqual(['kept']);
  });

  test('must be open: on a pool, or outside a transaction, nothing is written', async () => {
    const { given, inbox, effects } = await world();
    const client = await given.client();
    for (const transaction of [client, given.pool])
      await expect(inbox.once(event(1), transaction, writes(given, 'no'))).rejects.toMatchObject({
        code: 'TRANSACTION_MISSING',
      });
    expect(await effects()).toEqual([]);
    expect(await inbox.once(event(1), writes(given, 'yes'))).toBe('done');
  });
});

test('pruned rows are those that can say nothing new, and their events are repeats all the same', async () => {
  const { given, inbox, effects } = await world();
  await inbox.once(event(5, 1, 'rests'), writes(given, 'rests'));
  await inbox.once(event(12, 1, 'moves'), writes(given, 'moves'));
  expect(await inbox.prune({ topic: 'orders', olderThanMs: 2 * AN_HOUR_MS })).toBe(0);
  expect(await inbox.prune({ topic: 'orders', olderThanMs: 60_000 })).toBe(1);
  expect(await inbox.once(event(5, 2, 'rests'), writes(given, 'again'))).toBe('repeat');
  expect(await inbox.once(event(9, 2, 'older'), writes(given, 'again'))).toBe('repeat');
  expect(await inbox.once(event(11, 2, 'rests'), writes(given, 'new'))).toBe('done');
  await expect(inbox.prune({ topic: 'orders', olderThanMs: 1 })).rejects.toMatchObject({
    code: 'POSTGRES_OPTIONS_INVALID',
  });
  expect(await effects()).toEqual(['rests', 'moves', 'new']);
});

test('with two owners at work at once each effect is committed once and in order, and no older owner follows a newer', async () => {
  const { given, inbox, effects } = await world();
  const attempt = fc.record({
    position: fc.integer({ min: 1, max: 12 }),
    token: fc.integer({ min: 1, max: 3 }),
  });
  let aggregate = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(attempt, { maxLength: 30 }), async (attempts) => {
      const id = `random-${++aggregate}`;
      const before = (await effects()).length;
      await Promise.all(
        attempts.map(({ position, token }) =>
          inbox
            .once(event(position, token, id), writes(given, `${position} ${token}`))
            .catch((error: unknown) => {
              expect(error).toMatchObject({ code: expect.stringMatching(/^(FENCED|TRANSACTION_RETRY)$/) });
            }),
        ),
      );
      const committed = (await effects()).slice(before).map((what) => what.split(' ').map(Number));
      for (const [index, [position = 0, token = 0]] of committed.entries()) {
        const [earlier = 0, olderToken = 0] = committed[index - 1] ?? [];
        expect(position).toBeGreaterThan(earlier);
        expect(token).toBeGreaterThanOrEqual(olderToken);
      }
    }),
    { numRuns: 25 },
  );
});
