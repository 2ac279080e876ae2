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

export interface StockMoved {
  readonly pieces: number;
}
export const stock = defineTopic<{ StockMoved: StockMoved }>('stock');

// #region rebuild
// A release of the read model has a name: its group, and its table.
const MODEL = process.env['READ_MODEL'] ?? 'shelf_v2';
if (!/^[a-z]\w{0,40}$/.test(MODEL)) throw new Error(`expected READ_MODEL to name a table, found ${MODEL}`);

const CREATE = `create table if not exists ${MODEL}
  (product text primary key, pieces bigint not null, moves bigint not null, position numeric not null)`;
const MOVE = `
  insert into ${MODEL} as row (product, pieces, moves, position) values ($1, $2, 1, $3)
  on conflict (product) do update
  set pieces = row.pieces + excluded.pieces, moves = row.moves + 1, position = excluded.position
  where row.position < excluded.position`;

@Controller()
export class Shelf {
  constructor(private readonly pool: Pool) {}

  async onModuleInit(): Promise<void> {
    await this.pool.query(CREATE);
  }

  @AggregateHandler(stock, { type: 'StockMoved', group: MODEL })
  async moved(@Payload() { pieces }: StockMoved, @Ctx() ctx: AggregateContext): Promise<void> {
    await this.pool.query(MOVE, [ctx.aggregateId, pieces, ctx.position]);
  }
}
// #endregion

@Module({
  imports: [
    DatabaseModule,
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      topics: { stock: {} },
    }),
  ],
  controllers: [Shelf],
})
export class AppModule {}
