import { afterEach, expect, test } from '@jest/globals';
import { type INestApplicationContext, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { defineTopic } from 'nestjs-aggregate-transport';
import { AggregatePostgresModule, InjectOutbox, type OutboxOf } from 'nestjs-aggregate-transport-postgres';
import { AggregateTransportTestingModule } from 'nestjs-aggregate-transport/testing';
import { z } from 'zod';
import { fixtureForEach, type PostgresFixture, postgresForAll } from '../../support/postgres.js';

const fixture = fixtureForEach(postgresForAll());
const apps: INestApplicationContext[] = [];

afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

let release: () => void = () => undefined;

const orders = defineTopic('orders', {
  Placed: { version: 2, schema: z.object({ n: z.number() }), upcast: { 1: (n: number) => ({ n }) } },
  Asked: {
    version: 1,
    schema: z.object({ n: z.number() }).refine(async () => {
      await new Promise<void>((resolve) => (release = resolve));
      return true;
    }),
  },
});

@Injectable()
class OrderService {
  constructor(@InjectOutbox(orders) readonly outbox: OutboxOf<typeof orders>) {}
}

async function start({ pool, names }: PostgresFixture): Promise<OutboxOf<typeof orders>> {
  @Module({
    imports: [
      AggregateTransportTestingModule.forRoot({ topics: { orders: {} } }),
      AggregatePostgresModule.forRoot({ pool, schema: names.schema, outbox: { topics: [orders] } }),
    ],
    providers: [OrderService],
  })
  class ShopModule {}
  const app = await NestFactory.createApplicationContext(ShopModule, { logger: false, abortOnError: false });
  apps.push(app);
  return app.get(OrderService).outbox;
}

test('adds what its schema takes, under the declared version, and writes nothing of a list with one refusal', async () => {
  const given = await fixture();
  const outbox = await start(given);
  const client = await given.client();
  await client.query('begin');
  const wrong = { aggregateId: 'b', type: 'Placed', payload: { n: 'SECRET' } } as never;
  const right = { aggregateId: 'a', type: 'Placed', payload: { n: 1 } } as const;
  const error = await outbox.add(client, [right, wrong]).catch((found: unknown) => found as Error);
  expect(error).toMatchObject({ code: 'EVENT_INVALID' });
  expect((error as Error).message).toMatch(/"Placed", version 2, .*payload\.n: .*nothing was sent/);
  expect((error as Error).message).not.toContain('SECRET');
  // The transaction lives: nothing was asked of the server.
  await outbox.add(client, right);
  await client.query('commit');
  const rows = await given.rows();
  expect(rows.map(({ event }) => JSON.parse(event ?? '') as unknown)).toMatchObject([
    { event_version: 2, payload: { n: 1 } },
  ]);
});

test('while a schema answers later, no later add of the aggregate is written before it', async () => {
  const given = await fixture();
  const outbox = await start(given);
  const client = await given.client();
  await client.query('begin');
  const first = outbox.add(client, [
    { aggregateId: 'a', type: 'Placed', payload: { n: 1 } },
    { aggregateId: 'b', type: 'Asked', payload: { n: 2 } },
  ]);
  const second = outbox.add(client, { aggregateId: 'a', type: 'Placed', payload: { n: 3 } });
  await outbox.add(client, { aggregateId: 'c', type: 'Placed', payload: { n: 4 } });
  release();
  await Promise.all([first, second]);
  await client.query('commit');
  const numbers = (await given.rows()).map(
    ({ event }) => (JSON.parse(event ?? '') as { payload: { n: number } }).payload.n,
  );
  expect(numbers).toEqual([4, 1, 2, 3]);
});
