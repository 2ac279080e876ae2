/** What the compiler accepts and refuses around an outbox. Compiled, never run. */
import type { Pool, PoolClient } from 'pg';
import type { EntityManager, QueryRunner } from 'typeorm';
import type { Knex } from 'knex';
import type { Transaction as KyselyTransaction } from 'kysely';
import type { NodePgDatabase } from 'drizzle-orm/node-postgres';
import type { PGlite, Transaction as PGliteTransaction } from '@electric-sql/pglite';
import { defineTopic } from 'nestjs-aggregate-transport';
import { AggregatePostgresModule, type OutboxOf } from 'nestjs-aggregate-transport-postgres';

const orders = defineTopic<{ OrderPlaced: { lines: number }; OrderPaid: { amount: string } }>('orders');

declare const outbox: OutboxOf<typeof orders>;
declare const untyped: OutboxOf<'anything'>;
declare const client: PoolClient;

export async function typedAsPublishIs(): Promise<void> {
  const { eventIds } = await outbox.add(client, {
    aggregateId: 'a',
    type: 'OrderPlaced',
    payload: { lines: 1 },
  });
  eventIds satisfies readonly string[];
  await outbox.add(client, [
    { aggregateId: 'a', type: 'OrderPlaced', payload: { lines: 1 } },
    { aggregateId: 'a', type: 'OrderPaid', payload: { amount: '1' } },
  ]);
  await untyped.add(client, { aggregateId: 'a', type: 'Any', payload: new Date() });
  // @ts-expect-error the payload of another type
  await outbox.add(client, { aggregateId: 'a', type: 'OrderPlaced', payload: { amount: '1' } });
  // @ts-expect-error a type that the topic has not
  await outbox.add(client, { aggregateId: 'a', type: 'OrderLost', payload: { lines: 1 } });
  await outbox.add(client, {
    aggregateId: 'a',
    type: 'OrderPlaced',
    payload: { lines: 1 },
    // @ts-expect-error the relay alone knows what stands before
    expectedSequence: 1,
  });
  // @ts-expect-error no transaction
  await outbox.add({ aggregateId: 'a', type: 'OrderPlaced', payload: { lines: 1 } });
  // @ts-expect-error a transaction of no library
  await outbox.add({ begin: true }, { aggregateId: 'a', type: 'OrderPlaced', payload: { lines: 1 } });
}

declare const manager: EntityManager;
declare const runner: QueryRunner;
declare const trx: Knex.Transaction;
declare const kysely: KyselyTransaction<{ orders: { id: string } }>;
declare const drizzle: NodePgDatabase;
declare const pglite: PGliteTransaction;

export async function takesEachLibrary(): Promise<void> {
  const event = { aggregateId: 'a', type: 'OrderPaid', payload: { amount: '1' } } as const;
  await outbox.add(manager, event);
  await outbox.add(runner, event);
  await outbox.add(trx, event);
  await outbox.add(kysely, event);
  await drizzle.transaction((tx) => outbox.add(tx, event));
  await outbox.add(pglite, event);
  await outbox.add((sql, values) => client.query(sql, values), event);
  // @ts-expect-error the database itself, which is no transaction
  await outbox.add(drizzle, event);
}

declare const pool: Pool;
declare const database: PGlite;

export const modules = [
  AggregatePostgresModule.forRoot({
    pool,
    schema: 'messaging',
    outbox: { topics: [orders], relay: true },
    inbox: true,
  }),
  AggregatePostgresModule.forRoot({ pglite: database }),
  AggregatePostgresModule.forRootAsync({
    outboxTopics: [orders],
    useFactory: () => ({ connectionString: 'postgres://…', outbox: { topics: [orders] } }),
  }),
  // @ts-expect-error an option that there is not
  AggregatePostgresModule.forRoot({ pool, outbox: { topic: orders } }),
];
