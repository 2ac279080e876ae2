import { expect, test } from '@jest/globals';
import { ManualClock } from 'nestjs-aggregate-transport/testing';
import type { Log } from '#postgres/log.js';
import { DayTables } from '#postgres/relay/operating/day-tables.js';
import { migrate } from '#postgres/schema/migrate.js';
import { SchemaNames } from '#postgres/schema/schema-names.js';
import { type PostgresFixture, fixtureForEach, postgresForAll } from '../../support/postgres.js';

const server = postgresForAll();
const fixture = fixtureForEach(server, 6);
const DAY_MS = 86_400_000;

interface World {
  readonly given: PostgresFixture;
  readonly names: SchemaNames;
  readonly clock: ManualClock;
  readonly days: DayTables;
  readonly said: string[];
  /** Names of all day tables, without the date's part that is the same in all. */
  readonly tables: () => Promise<string[]>;
  readonly add: () => Promise<void>;
}

/** An outbox that is divided by day, without a table for any day, and a clock that begins now. */
async function divided(database?: (given: PostgresFixture) => PostgresFixture['database']): Promise<World> {
  const given = await fixture();
  const names = new SchemaNames({ schema: given.names.schema, tables: { outbox: 'daily' } });
  await given.pool.query(`delete from ${names.of('schema_version')}`);
  const { days: made } = await migrate(given.database, names, { byDay: { wallMs: Date.now(), days: 1 } });
  await given.pool.query(`drop table "${names.schema}"."${made[0]}"`);
  const clock = new ManualClock(0, Date.now());
  const said: string[] = [];
  const log: Log = { write: (...[, , text]) => void said.push(text) };
  const outbox = given.outbox({ names });
  return {
    ...{ given, names, clock, said },
    days: new DayTables({ database: database?.(given) ?? given.database, names, clock, log }),
    tables: async () => {
      const { rows } = await given.pool.query<{ name: string }>(
        `select relname as name from pg_inherits join pg_class on oid = inhrelid
         where inhparent = $1::regclass and relname <> 'daily_rest' order by 1`,
        [names.of('outbox')],
      );
      return rows.map(({ name }) => name);
    },
    add: () =>
      given.database.transaction(async ({ client }) => {
        await outbox.add(client, { aggregateId: 'a', type: 'T', payload: 1 });
      }),
  };
}

const nameOn = (wallMs: number): string =>
  `daily_${new Date(wallMs).toISOString().slice(0, 10).replaceAll('-', '')}`;

test('makes today and two days ahead, and a day later the next one', async () => {
  const { days, clock, tables, add, given, names, said } = await divided();
  const today = clock.wallNow();
  await days.keep();
  expect(await tables()).toEqual([0, 1, 2].map((n) => nameOn(today + n * DAY_MS)));
  expect(said).toHaveLength(3);
  await add();
  const { rows } = await given.pool.query(
    `select tableoid::regclass::text as day from ${names.of('outbox')}`,
  );
  expect(rows).toEqual([{ day: `${names.schema}.${nameOn(today)}` }]);
  await days.keep();
  expect(said).toHaveLength(3);
  await clock.advance(DAY_MS);
  await days.keep();
  expect(await tables()).toHaveLength(4);
});

test('drops old days once they are empty, and none that holds a row', async () => {
  const { days, clock, tables, add, given, names } = await divided();
  const today = nameOn(clock.wallNow());
  await days.keep();
  await add();
  await clock.advance(10 * DAY_MS);
  await days.keep();
  expect(await tables()).toEqual([today, ...[0, 1, 2].map((n) => nameOn(clock.wallNow() + n * DAY_MS))]);
  await given.pool.query(`delete from ${names.of('outbox')}`);
  await days.keep();
  expect(await tables()).toHaveLength(3);
  expect(await tables()).not.toContain(today);
});

test('a transaction that has added to an old day keeps its table, and no one waits for it long', async () => {
  const { days, clock, tables, add, given, said, names } = await divided();
  await days.keep();
  const open = await given.client();
  await open.query('begin');
  await given.outbox({ names }).add(open, { aggregateId: 'slow', type: 'T', payload: 1 });
  await clock.advance(3 * DAY_MS);
  const before = await tables();
  const kept = days.keep();
  await add();
  await kept;
  expect(await tables()).toEqual(before);
  expect(said.filter((text) => text.includes('could not'))).toEqual([]);
  await open.query('commit');
  await days.keep();
  const { rows } = await given.pool.query(`select count(*)::int as count from ${names.of('outbox')}`);
  expect(rows).toEqual([{ count: 2 }]);
  const today = clock.wallNow();
  expect(await tables()).toEqual([-3, -1, 0, 1, 2].map((n) => nameOn(today + n * DAY_MS)));
});

test('two processes keep the same days', async () => {
  const { days, given, names, clock, said, tables } = await divided();
  const other = new DayTables({
    database: given.database,
    names,
    clock,
    log: { write: (...[, , text]) => void said.push(text) },
  });
  await Promise.all([days.keep(), other.keep()]);
  await clock.advance(9 * DAY_MS);
  await Promise.all([days.keep(), other.keep()]);
  expect(await tables()).toHaveLength(3);
  expect(said.filter((text) => !/made|dropped/.test(text))).toEqual([]);
});

test('a role that is not the owner says once who has to make them, and refuses nothing', async () => {
  let role: PostgresFixture['database'] & { close(): Promise<void> };
  const { days, given, names, said, add, tables } = await divided(
    (one) => (role = one.databaseOf('plain_service')),
  );
  await given.pool.query('drop role if exists plain_service');
  await given.pool.query('create role plain_service login');
  await given.pool.query(`grant usage on schema "${names.schema}" to plain_service`);
  await days.keep();
  await days.keep();
  expect(said).toEqual([
    expect.stringMatching(/not made here: this role does not own .*postgres migrate --by-day/),
  ]);
  expect(await tables()).toEqual([]);
  await add();
  await role!.close();
  await given.pool.query(`drop owned by plain_service; drop role plain_service`);
});

test('looks again every 10 minutes, and leaves an outbox that is one table alone', async () => {
  const given = await fixture();
  const clock = new ManualClock(0, Date.now());
  let looks = 0;
  const run: typeof given.database.run = (sql, values) => {
    looks++;
    return given.database.run(sql, values);
  };
  const { database } = given;
  const transaction = database.transaction.bind(database);
  const log = { write: () => undefined };
  const days = new DayTables({ database: { run, transaction }, names: given.names, clock, log });
  days.start();
  const isSet = async (): Promise<void> => {
    while (clock.pendingTimers === 0) await clock.settle();
  };
  await isSet();
  await clock.advance(600_000);
  await isSet();
  days.close();
  expect(looks).toBe(2);
  expect(clock.pendingTimers).toBe(0);
});
