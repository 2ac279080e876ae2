import { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PrismaPg } from '@prisma/adapter-pg';
import { drizzle } from 'drizzle-orm/node-postgres';
import { drizzle as drizzleOnPGlite } from 'drizzle-orm/pglite';
import { sql as drizzleSql } from 'drizzle-orm';
import knex from 'knex';
import { CamelCasePlugin, Kysely, PostgresDialect, sql as kyselySql } from 'kysely';
import type { Transaction } from 'nestjs-aggregate-transport-postgres';
import { DataSource } from 'typeorm';
import { PGliteDatabase } from '#postgres/database/pglite-database.js';
import { Outbox } from '#postgres/outbox/outbox.js';
import { migrate } from '#postgres/schema/migrate.js';
import { SchemaNames } from '#postgres/schema/schema-names.js';
import { checkerOf, fixtureForEach, postgresForAll, type PostgresFixture } from '../../support/postgres.js';
import { generatedPrismaClient, type PrismaClientClass } from '../../support/prisma-client.js';

const server = postgresForAll();
const fixture = fixtureForEach(server);

/** A library at work on a database. */
interface Handle {
  /** Runs `work` in a transaction of the library, which it commits unless `work` rejects. */
  transaction(work: (transaction: Transaction) => Promise<unknown>): Promise<unknown>;
  /** What a caller could take for a transaction, and is none. */
  readonly outside: Transaction;
  /** A statement that fails, within a transaction. */
  fail(transaction: Transaction): Promise<unknown>;
  close(): Promise<void>;
}

let PrismaClient: PrismaClientClass;
beforeAll(async () => {
  PrismaClient = await generatedPrismaClient();
}, 60_000);

const NONSENSE = 'select 1 / 0';

const LIBRARIES: Record<string, (given: PostgresFixture) => Handle | Promise<Handle>> = {
  pg: ({ pool }) => ({
    async transaction(work) {
      const client = await pool.connect();
      try {
        await client.query('begin');
        await work(client);
        await client.query('commit');
      } catch (error) {
        await client.query('rollback');
        throw error;
      } finally {
        client.release();
      }
    },
    outside: pool,
    fail: (transaction) => Promise.resolve((transaction as typeof pool).query(NONSENSE)),
    close: () => Promise.resolve(),
  }),

  async 'TypeORM EntityManager'({ url }) {
    const source = await new DataSource({ type: 'postgres', url }).initialize();
    return {
      transaction: (work) => source.transaction((manager) => work(manager)),
      outside: source.manager,
      fail: (transaction) => (transaction as typeof source.manager).query(NONSENSE),
      close: () => source.destroy(),
    };
  },

  async 'TypeORM QueryRunner'({ url }) {
    const source = await new DataSource({ type: 'postgres', url }).initialize();
    const outside = source.createQueryRunner();
    return {
      async transaction(work) {
        const runner = source.createQueryRunner();
        await runner.startTransaction();
        try {
          await work(runner);
          await runner.commitTransaction();
        } catch (error) {
          await runner.rollbackTransaction();
          throw error;
        } finally {
          await runner.release();
        }
      },
      outside,
      fail: (transaction) => (transaction as typeof outside).query(NONSENSE),
      async close() {
        await outside.release();
        await source.destroy();
      },
    };
  },

  Prisma({ url }) {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
    return {
      transaction: (work) => prisma.$transaction((tx) => work(tx)),
      outside: prisma,
      fail: (transaction) => (transaction as typeof prisma).$queryRawUnsafe(NONSENSE),
      close: () => prisma.$disconnect(),
    };
  },

  Drizzle({ pool }) {
    const db = drizzle(pool);
    return {
      transaction: (work) => db.transaction((tx) => work(tx)),
      // Only a transaction can roll back, so the compiler refuses the database itself.
      outside: db as unknown as Transaction,
      fail: (transaction) => (transaction as unknown as typeof db).execute(drizzleSql.raw(NONSENSE)),
      close: () => Promise.resolve(),
    };
  },

  Knex({ url }) {
    const database = knex({ client: 'pg', connection: url });
    return {
      transaction: (work) => database.transaction((trx) => work(trx)),
      outside: database,
      fail: (transaction) => Promise.resolve((transaction as typeof database).raw(NONSENSE)),
      close: () => database.destroy(),
    };
  },

  Kysely({ pool }) {
    const plugins = [new CamelCasePlugin()];
    const database = new Kysely<object>({ dialect: new PostgresDialect({ pool }), plugins });
    return {
      transaction: (work) => database.transaction().execute((trx) => work(trx)),
      outside: database,
      fail: (transaction) => kyselySql.raw(NONSENSE).execute(transaction as unknown as typeof database),
      // It would end the pool of the fixture.
      close: () => Promise.resolve(),
    };
  },

  'a function'({ pool }) {
    return {
      async transaction(work) {
        const client = await pool.connect();
        const ended = (how: string) => client.query(how);
        try {
          await ended('begin');
          await work((text, values) => client.query(text, values));
          await ended('commit');
        } catch (error) {
          await ended('rollback');
          throw error;
        } finally {
          client.release();
        }
      },
      outside: (text: string, values: (string | null)[]) => pool.query(text, values),
      fail: (transaction) =>
        Promise.resolve((transaction as (text: string, values: string[]) => unknown)(NONSENSE, [])),
      close: () => Promise.resolve(),
    };
  },
};

const EVENTS = [
  {
    aggregateId: 'a',
    type: 'First',
    payload: { text: 'it\'s $1 ? "\u0000 \ud83d' },
    headers: { one: 'two' },
  },
  { aggregateId: 'b c', type: 'Second', payload: [1.5e300, null] },
];

describe.each(Object.keys(LIBRARIES))('through %s', (name) => {
  const opened: Handle[] = [];
  const open = async () => {
    const given = await fixture();
    const handle = await LIBRARIES[name]!(given);
    opened.push(handle);
    return { given, handle, outbox: given.outbox() };
  };
  afterAll(async () => {
    for (const handle of opened) await handle.close();
  });

  test('events of a transaction that commits are in the outbox, as they were given', async () => {
    const { given, handle, outbox } = await open();
    await handle.transaction((transaction) => outbox.add(transaction, EVENTS));
    const rows = await given.rows();
    expect(rows.map(({ aggregate }) => aggregate)).toEqual(['a', '~YiBj']);
    const payloads = rows.map(({ event }) => (JSON.parse(event!) as { payload: unknown }).payload);
    expect(payloads).toEqual(EVENTS.map(({ payload }) => payload));
    expect(rows.map(({ headers }) => headers)).toEqual([{ one: 'two' }, null]);
    await handle.close();
    opened.pop();
  });

  test('events of a transaction that rolls back are not', async () => {
    const { given, handle, outbox } = await open();
    const ended = handle.transaction(async (transaction) => {
      await outbox.add(transaction, EVENTS);
      throw new Error('rolled back');
    });
    await expect(ended).rejects.toThrow('rolled back');
    expect(await given.rows()).toEqual([]);
    await handle.close();
    opened.pop();
  });

  test('outside a transaction nothing is written, and the call says so', async () => {
    const { given, handle, outbox } = await open();
    const added = outbox.add(handle.outside, EVENTS);
    await expect(added).rejects.toMatchObject({ code: 'TRANSACTION_MISSING' });
    expect(await given.rows()).toEqual([]);
    await handle.close();
    opened.pop();
  });

  test('in a transaction that a statement has aborted the call says so', async () => {
    const { given, handle, outbox } = await open();
    let code: unknown;
    await handle
      .transaction(async (transaction) => {
        await handle.fail(transaction).catch(() => undefined);
        await outbox.add(transaction, EVENTS).catch((error: unknown) => {
          ({ code } = error as { code: unknown });
          throw error;
        });
      })
      .catch(() => undefined);
    expect(code).toBe('TRANSACTION_ABORTED');
    expect(await given.rows()).toEqual([]);
    await handle.close();
    opened.pop();
  });
});

describe('through PGlite', () => {
  test('events are in the outbox if the transaction commits, itself or through Drizzle, and only then', async () => {
    const pglite = await PGlite.create();
    const names = new SchemaNames();
    const database = new PGliteDatabase(pglite);
    expect(await migrate(database, names)).toMatchObject({ from: 0, to: 1 });
    const outbox = new Outbox({ topic: 'orders', names, checker: checkerOf('orders'), notify: true });
    const heard: string[] = [];
    const session = await database.session();
    await session.listen(names.channel, (topic) => heard.push(topic));
    await pglite.transaction((tx) => outbox.add(tx, EVENTS));
    await drizzleOnPGlite(pglite).transaction((tx) => outbox.add(tx, EVENTS));
    await pglite
      .transaction(async (tx) => {
        await outbox.add(tx, EVENTS);
        throw new Error('rolled back');
      })
      .catch(() => undefined);
    await expect(outbox.add(pglite, EVENTS)).rejects.toMatchObject({ code: 'TRANSACTION_MISSING' });
    const { rows } = await pglite.query(`select from ${names.of('outbox')}`);
    expect(rows).toHaveLength(4);
    expect(heard).toEqual(['orders', 'orders']);
    await session.release();
    await pglite.close();
  });
});
