import { Controller, Module } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateTransportModule,
  defineTopic,
} from 'nestjs-aggregate-transport';
import { Pool } from 'pg';
import { DatabaseModule } from './database.js';

export interface PaymentBooked {
  readonly cents: number;
}
export const accounts = defineTopic<{ PaymentBooked: PaymentBooked }>('accounts');

// #region projection
// create table balance (account text primary key, cents bigint not null, position numeric not null)
const ADD = `
  insert into balance (account, cents, position) values ($1, $2, $3)
  on conflict (account) do update set cents = balance.cents + excluded.cents, position = excluded.position
  where balance.position < excluded.position`;

@Controller()
export class BalanceProjection {
  constructor(private readonly pool: Pool) {}

  @AggregateHandler(accounts, { type: 'PaymentBooked' })
  async booked(@Payload() { cents }: PaymentBooked, @Ctx() ctx: AggregateContext): Promise<void> {
    await this.pool.query(ADD, [ctx.aggregateId, cents, ctx.position]);
  }
}
// #endregion

@Module({
  imports: [
    DatabaseModule,
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      group: 'balances',
      topics: { accounts: {} },
    }),
  ],
  controllers: [BalanceProjection],
})
export class AppModule {}
