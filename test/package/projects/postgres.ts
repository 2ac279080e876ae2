// What docs/postgres.md shows, in one file that compiles as ESM and as CommonJS; copied into each project. The tables
// were made by the command line before.
import 'reflect-metadata';
import { Controller, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateServer,
  AggregateTransportModule,
  defineTopic,
} from 'nestjs-aggregate-transport';
import {
  AggregatePostgresModule,
  Inbox,
  InboxOnce,
  type InboxOutcome,
  inboxTransaction,
  InjectOutbox,
  type OutboxOf,
} from 'nestjs-aggregate-transport-postgres';
import pg from 'pg';

const orders = defineTopic<{ OrderPlaced: { n: number }; OrderPaid: { cents: number } }>('orders');
const connectionString = process.env['DATABASE_URL'] ?? '';
const pool = new pg.Pool({ connectionString, max: 4 });

@Injectable()
class OrderService {
  constructor(@InjectOutbox(orders) private readonly outbox: OutboxOf<typeof orders>) {}

  async place(id: string, n: number): Promise<void> {
    const client = await pool.connect();
    try {
      await client.query('begin');
      await client.query('insert into shop_order (id, n) values ($1, $2)', [id, n]);
      await this.outbox.add(client, { aggregateId: id, type: 'OrderPlaced', payload: { n } });
      await this.outbox.add(client, { aggregateId: id, type: 'OrderPaid', payload: { cents: n } });
      await client.query('commit');
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  }
}

@Controller()
class BillingController {
  constructor(private readonly inbox: Inbox) {}

  @AggregateHandler(orders, { type: 'OrderPlaced' })
  placed(@Payload() order: { n: number }, @Ctx() ctx: AggregateContext): Promise<InboxOutcome> {
    return this.inbox.once(ctx, (tx) =>
      tx.query('insert into invoice (order_id, n, paid) values ($1, $2, 0)', [ctx.aggregateId, order.n]),
    );
  }

  @AggregateHandler(orders, { type: 'OrderPaid' })
  @InboxOnce()
  async paid(@Payload() { cents }: { cents: number }, @Ctx() ctx: AggregateContext): Promise<void> {
    await inboxTransaction().query('update invoice set paid = paid + $2 where order_id = $1', [
      ctx.aggregateId,
      cents,
    ]);
  }
}

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? '',
      group: 'billing',
      topics: { orders: {} },
    }),
    AggregatePostgresModule.forRoot({ connectionString, outbox: { topics: [orders] }, inbox: true }),
  ],
  controllers: [BillingController],
  providers: [OrderService],
})
class AppModule {}

const ORDERS = 20;
const WITHIN_MS = 30_000;

async function main(): Promise<void> {
  await pool.query(
    'create table shop_order (id text, n int); create table invoice (order_id text primary key, n int, paid int)',
  );
  const app = await NestFactory.create(AppModule, { logger: ['error'] });
  app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true });
  await app.init();
  await app.startAllMicroservices();
  const service = app.get(OrderService);
  for (let n = 1; n <= ORDERS; n++) await service.place(`order-${n}`, n);
  let paid = 0;
  for (const until = Date.now() + WITHIN_MS; paid < ORDERS && Date.now() < until;) {
    const { rows } = await pool.query<{ count: number }>('select count(*)::int from invoice where paid = n');
    paid = rows[0]?.count ?? 0;
  }
  await app.close();
  await pool.end();
  if (paid !== ORDERS) throw new Error(`expected ${ORDERS} paid invoices, found ${paid}`);
  console.log(`${paid} orders went from row to row`);
}

void main();
