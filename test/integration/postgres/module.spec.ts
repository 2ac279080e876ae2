import { PGlite } from '@electric-sql/pglite';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type DynamicModule, type INestApplicationContext, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { defineTopic } from 'nestjs-aggregate-transport';
import {
  AggregatePostgresModule,
  type AggregatePostgresOptions,
  InjectOutbox,
  type OutboxOf,
} from 'nestjs-aggregate-transport-postgres';
import { AggregateTransportTestingModule } from 'nestjs-aggregate-transport/testing';
import pg from 'pg';
import { eventually } from '../../support/eventually.js';
import { fairClockForAll } from '../../support/fair-clock.js';
import { fixtureForEach, postgresForAll } from '../../support/postgres.js';

const server = postgresForAll();
const clock = fairClockForAll();
const fixture = fixtureForEach(server);

const orders = defineTopic<{ OrderPlaced: { lines: number } }>('orders');
const STARTS_WITHIN_MS = 8_000;

@Injectable()
class OrderService {
  constructor(@InjectOutbox(orders) readonly outbox: OutboxOf<typeof orders>) {}

  async place(client: pg.ClientBase): Promise<void> {
    await client.query('begin');
    await this.outbox.add(client, { aggregateId: 'a', type: 'OrderPlaced', payload: { lines: 1 } });
    await client.query('commit');
  }
}

const apps: INestApplicationContext[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

async function start(postgres: DynamicModule): Promise<INestApplicationContext> {
  @Module({
    imports: [AggregateTransportTestingModule.forRoot({ topics: { orders: {} } }), postgres],
    providers: [OrderService],
  })
  class ShopModule {}

  const app = await NestFactory.createApplicationContext(ShopModule, { logger: false, abortOnError: false });
  apps.push(app);
  return app;
}

function withOutbox(options: AggregatePostgresOptions): DynamicModule {
  return AggregatePostgresModule.forRoot({ ...options, outbox: { topics: [orders] } });
}

describe('a service', () => {
  test('adds events by an injected outbox, and its own pool is closed with it', async () => {
    const given = await fixture();
    const app = await start(withOutbox({ connectionString: server().url, schema: given.names.schema }));
    await app.get(OrderService).place(await given.client());
    expect(await given.rows()).toMatchObject([{ topic: 'orders', aggregate: 'a' }]);
    const connections = async (): Promise<number> => {
      const { rows } = await given.pool.query(
        `select from pg_stat_activity where application_name = 'aggregate-transport'`,
      );
      return rows.length;
    };
    expect(await connections()).toBeGreaterThan(0);
    await apps.pop()!.close();
    await eventually('its connections are closed', async () => (await connections()) === 0);
  });

  test('keeps the pool of the application open, and takes its options from a factory', async () => {
    const given = await fixture();
    const { schema } = given.names;
    const app = await start(
      AggregatePostgresModule.forRootAsync({
        outboxTopics: [orders],
        useFactory: () => Promise.resolve({ pool: given.pool, schema, outbox: { topics: [orders] } }),
      }),
    );
    await app.get(OrderService).place(await given.client());
    await apps.pop()!.close();
    expect((await given.pool.query('select 1')).rows).toHaveLength(1);
    expect(await given.rows()).toHaveLength(1);
  });

  test('checks events as its publisher does: by the largest message of its stream', async () => {
    const given = await fixture();
    const app = await start(withOutbox({ pool: given.pool, schema: given.names.schema }));
    const client = await given.client();
    await client.query('begin');
    const { outbox } = app.get(OrderService);
    const payload = { lines: 1, rest: 'x'.repeat(8_000_000) };
    await expect(
      outbox.add(client, { aggregateId: 'a', type: 'OrderPlaced', payload }),
    ).rejects.toMatchObject({
      code: 'EVENT_TOO_LARGE',
    });
  });

  test('runs on a PGlite', async () => {
    const pglite = await PGlite.create();
    const app = await start(withOutbox({ pglite, migrate: true }));
    const { outbox } = app.get(OrderService);
    await pglite.transaction((tx) =>
      outbox.add(tx, { aggregateId: 'a', type: 'OrderPlaced', payload: { lines: 1 } }),
    );
    expect((await pglite.query('select from messaging.outbox')).rows).toHaveLength(1);
    await apps.pop()!.close();
    expect((await pglite.query('select 1')).rows).toHaveLength(1);
    await pglite.close();
  });
});

describe('the start-up ends within seconds, with a code', () => {
  const refused = async (postgres: DynamicModule): Promise<unknown> => {
    const startedAt = clock().now();
    const error = await start(postgres).catch((found: unknown) => found);
    expect(clock().now() - startedAt).toBeLessThan(STARTS_WITHIN_MS);
    return error;
  };

  test('SCHEMA_MISSING: no tables', async () => {
    const options = { connectionString: server().url, schema: 'none' };
    expect(await refused(withOutbox(options))).toMatchObject({ code: 'SCHEMA_MISSING' });
  });

  test('SCHEMA_OLDER and SCHEMA_NEWER: tables of another release', async () => {
    const { pool, names } = await fixture();
    const { schema } = names;
    await pool.query(`update ${names.of('schema_version')} set version = 0`);
    expect(await refused(withOutbox({ pool, schema }))).toMatchObject({ code: 'SCHEMA_OLDER' });
    await pool.query(`update ${names.of('schema_version')} set version = 2`);
    expect(await refused(withOutbox({ pool, schema }))).toMatchObject({ code: 'SCHEMA_NEWER' });
  });

  test('POSTGRES_UNAVAILABLE: no server, and no password in the text', async () => {
    const connectionString = 'postgres://shop:secret@127.0.0.1:1/shop';
    const error = await refused(withOutbox({ connectionString }));
    expect(error).toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
    expect((error as Error).message).not.toContain('secret');
  });

  test('POSTGRES_UNAVAILABLE: a pool that has no connection left to give', async () => {
    const given = await fixture();
    const pool = new pg.Pool({ connectionString: server().url, max: 1 });
    const taken = await pool.connect();
    const options = { pool, schema: given.names.schema, startWithinMs: 500 };
    expect(await refused(withOutbox(options))).toMatchObject({ code: 'POSTGRES_UNAVAILABLE' });
    taken.release();
    await pool.end();
  });

  test('POSTGRES_OPTIONS_INVALID: topics of the factory that Nest was not told', async () => {
    const { pool, names } = await fixture();
    const { schema } = names;
    const module = AggregatePostgresModule.forRootAsync({
      outboxTopics: [orders],
      useFactory: () => ({ pool, schema, outbox: { topics: ['other'] } }),
    });
    expect(await refused(module)).toMatchObject({ code: 'POSTGRES_OPTIONS_INVALID' });
  });
});
