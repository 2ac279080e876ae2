import { afterEach, beforeAll, expect, test } from '@jest/globals';
import { PrismaPg } from '@prisma/adapter-pg';
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres';
import { sql as drizzleSql } from 'drizzle-orm';
import knex, { type Knex } from 'knex';
import { type Generated, Kysely, PostgresDialect } from 'kysely';
import { type AggregateContext, defineTopic } from 'nestjs-aggregate-transport';
import type { Inbox as PublicInbox, OutboxOf } from 'nestjs-aggregate-transport-postgres';
import type pg from 'pg';
import { DataSource } from 'typeorm';
import { Inbox } from '#postgres/inbox/inbox.js';
import { fixtureForEach, postgresForAll, type PostgresFixture } from '../../support/postgres.js';
import {
  generatedPrismaClient,
  type PrismaClientClass,
  type PrismaLike,
} from '../../support/prisma-client.js';

interface Order {
  readonly id: string;
}
const orders = defineTopic<{ OrderPlaced: { id: string } }>('orders');
type Orders = OutboxOf<typeof orders>;

interface Parts {
  readonly outbox: Orders;
  readonly inbox: PublicInbox;
}

// #region pg
async function placeWithPg({ outbox }: Parts, pool: pg.Pool, order: Order): Promise<void> {
  const client = await pool.connect();
  try {
    await client.query('begin');
    await client.query('insert into customer_order (id) values ($1)', [order.id]);
    await outbox.add(client, { aggregateId: order.id, type: 'OrderPlaced', payload: order });
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  } finally {
    client.release();
  }
}

function handleWithPg({ inbox }: Parts, ctx: AggregateContext, order: Order) {
  return inbox.once(ctx, (tx) => tx.query('insert into invoice (order_id) values ($1)', [order.id]));
}
// #endregion

// #region typeorm
async function placeWithTypeOrm({ outbox }: Parts, source: DataSource, order: Order): Promise<void> {
  await source.transaction(async (manager) => {
    await manager.query('insert into customer_order (id) values ($1)', [order.id]); // or manager.save(order)
    await outbox.add(manager, { aggregateId: order.id, type: 'OrderPlaced', payload: order });
  });
}

function handleWithTypeOrm({ inbox }: Parts, source: DataSource, ctx: AggregateContext, order: Order) {
  return source.transaction((manager) =>
    inbox.once(ctx, manager, () => manager.query('insert into invoice (order_id) values ($1)', [order.id])),
  );
}
// #endregion

// #region prisma
async function placeWithPrisma({ outbox }: Parts, prisma: PrismaLike, order: Order): Promise<void> {
  await prisma.$transaction(async (tx) => {
    await tx.$queryRawUnsafe('insert into customer_order (id) values ($1)', order.id); // or tx.order.create(…)
    await outbox.add(tx, { aggregateId: order.id, type: 'OrderPlaced', payload: order });
  });
}

function handleWithPrisma({ inbox }: Parts, prisma: PrismaLike, ctx: AggregateContext, order: Order) {
  return prisma.$transaction((tx) =>
    inbox.once(ctx, tx, () => tx.$queryRawUnsafe('insert into invoice (order_id) values ($1)', order.id)),
  );
}
// #endregion

// #region drizzle
async function placeWithDrizzle({ outbox }: Parts, db: NodePgDatabase, order: Order): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.execute(drizzleSql`insert into customer_order (id) values (${order.id})`); // or tx.insert(orders)
    await outbox.add(tx, { aggregateId: order.id, type: 'OrderPlaced', payload: order });
  });
}

function handleWithDrizzle({ inbox }: Parts, db: NodePgDatabase, ctx: AggregateContext, order: Order) {
  return db.transaction((tx) =>
    inbox.once(ctx, tx, () => tx.execute(drizzleSql`insert into invoice (order_id) values (${order.id})`)),
  );
}
// #endregion

// #region knex
async function placeWithKnex({ outbox }: Parts, database: Knex, order: Order): Promise<void> {
  await database.transaction(async (trx) => {
    await trx('customer_order').insert({ id: order.id });
    await outbox.add(trx, { aggregateId: order.id, type: 'OrderPlaced', payload: order });
  });
}

function handleWithKnex({ inbox }: Parts, database: Knex, ctx: AggregateContext, order: Order) {
  return database.transaction((trx) =>
    inbox.once(ctx, trx, () => trx('invoice').insert({ order_id: order.id })),
  );
}
// #endregion

interface Tables {
  readonly customer_order: { readonly id: string };
  readonly invoice: { readonly n: Generated<number>; readonly order_id: string };
}

// #region kysely
async function placeWithKysely({ outbox }: Parts, db: Kysely<Tables>, order: Order): Promise<void> {
  await db.transaction().execute(async (trx) => {
    await trx.insertInto('customer_order').values({ id: order.id }).execute();
    await outbox.add(trx, { aggregateId: order.id, type: 'OrderPlaced', payload: order });
  });
}

function handleWithKysely({ inbox }: Parts, db: Kysely<Tables>, ctx: AggregateContext, order: Order) {
  return db
    .transaction()
    .execute((trx) =>
      inbox.once(ctx, trx, () => trx.insertInto('invoice').values({ order_id: order.id }).execute()),
    );
}
// #endregion

const server = postgresForAll();
const fixture = fixtureForEach(server);
const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

let PrismaClient: PrismaClientClass;
beforeAll(async () => {
  PrismaClient = await generatedPrismaClient();
}, 60_000);

interface Example {
  readonly place: (order: Order) => Promise<void>;
  readonly handle: (ctx: AggregateContext, order: Order) => Promise<unknown>;
}

type MakeExample = (parts: Parts, given: PostgresFixture) => Example | Promise<Example>;

const EXAMPLES: Record<string, MakeExample> = {
  pg: (parts, { pool }) => ({
    place: (order) => placeWithPg(parts, pool, order),
    handle: (ctx, order) => handleWithPg(parts, ctx, order),
  }),
  async TypeORM(parts, { url }) {
    const source = await new DataSource({ type: 'postgres', url }).initialize();
    closers.push(() => source.destroy());
    return {
      place: (order) => placeWithTypeOrm(parts, source, order),
      handle: (ctx, order) => handleWithTypeOrm(parts, source, ctx, order),
    };
  },
  Prisma(parts, { url }) {
    const prisma = new PrismaClient({ adapter: new PrismaPg({ connectionString: url }) });
    closers.push(() => prisma.$disconnect());
    return {
      place: (order) => placeWithPrisma(parts, prisma, order),
      handle: (ctx, order) => handleWithPrisma(parts, prisma, ctx, order),
    };
  },
  Drizzle(parts, { pool }) {
    const db = drizzle(pool);
    return {
      place: (order) => placeWithDrizzle(parts, db, order),
      handle: (ctx, order) => handleWithDrizzle(parts, db, ctx, order),
    };
  },
  Knex(parts, { url }) {
    const database = knex({ client: 'pg', connection: url });
    closers.push(() => database.destroy());
    return {
      place: (order) => placeWithKnex(parts, database, order),
      handle: (ctx, order) => handleWithKnex(parts, database, ctx, order),
    };
  },
  Kysely(parts, { pool }) {
    const db = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
    return {
      place: (order) => placeWithKysely(parts, db, order),
      handle: (ctx, order) => handleWithKysely(parts, db, ctx, order),
    };
  },
};

test.each(Object.entries(EXAMPLES))(
  'the examples of docs/postgres.md for %s commit row and event together, and an effect once',
  async (_library, make) => {
    const given = await fixture();
    const { pool, names, database } = given;
    await pool.query(
      `drop table if exists customer_order, invoice;
       create table customer_order (id text primary key);
       create table invoice (n serial, order_id text not null)`,
    );
    const settled = { through: () => Promise.resolve(undefined) };
    const inbox = new Inbox({ database, names, isOn: true, settled, wallNow: () => Date.now() });
    const { place, handle } = await make(
      { outbox: given.outbox({ topic: orders.name }) as unknown as Orders, inbox },
      given,
    );
    const order = { id: 'order-7' };
    await place(order);
    expect(await given.rows()).toMatchObject([{ topic: 'orders', aggregate: 'order-7' }]);
    await expect(place(order)).rejects.toBeDefined();
    expect(await given.rows()).toHaveLength(1);
    const place1 = { group: 'billing', topic: 'orders', aggregateId: 'order-7', fencingToken: 1 };
    const ctx = { ...place1, position: 1n } as unknown as AggregateContext;
    expect(await handle(ctx, order)).toBe('done');
    expect(await handle(ctx, order)).toBe('repeat');
    const { rows } = await pool.query('select order_id from invoice');
    expect(rows).toEqual([{ order_id: 'order-7' }]);
  },
);
