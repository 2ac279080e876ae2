import { Inject, Injectable, Module } from '@nestjs/common';
import { AggregateTransportModule, defineTopic } from 'nestjs-aggregate-transport';
import { AggregatePostgresModule, InjectOutbox, type OutboxOf } from 'nestjs-aggregate-transport-postgres';
import type pg from 'pg';
import { DatabaseModule, POOL } from './database.js';

export const orders = defineTopic<{ Placed: { cents: number } }>('orders');

@Injectable()
export class Shop {
  constructor(
    @Inject(POOL) private readonly pool: pg.Pool,
    @InjectOutbox(orders) private readonly outbox: OutboxOf<typeof orders>,
  ) {}

  /** Row and event together. What throws before the commit leaves neither. */
  async place(id: string, cents: number): Promise<void> {
    const client = await this.pool.connect();
    try {
      await client.query('begin');
      await client.query('insert into shop_order (id, cents) values ($1, $2)', [id, cents]);
      await this.outbox.add(client, { aggregateId: id, type: 'Placed', payload: { cents } });
      if (Number(id) % 3 === 0) throw new Error('out of stock');
      await client.query('commit');
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  }
}

@Module({
  imports: [
    DatabaseModule,
    AggregateTransportModule.forRootAsync({
      useFactory: () => ({ servers: process.env['NATS_URL'] ?? '', topics: { orders: {} } }),
    }),
    AggregatePostgresModule.forRootAsync({
      outboxTopics: [orders], // what may be injected
      useFactory: () => ({
        connectionString: process.env['DATABASE_URL'] ?? '',
        migrate: true,
        outbox: { topics: [orders] },
      }),
    }),
  ],
  providers: [Shop],
})
export class ShopModule {}
