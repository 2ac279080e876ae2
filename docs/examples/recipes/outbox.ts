import { Body, Controller, Module, Param, Post } from '@nestjs/common';
import { AggregateTransportModule, defineTopic } from 'nestjs-aggregate-transport';
import { AggregatePostgresModule, InjectOutbox, type OutboxOf } from 'nestjs-aggregate-transport-postgres';
import { Pool } from 'pg';
import { DatabaseModule } from './database.js';

export interface CartChanged {
  readonly version: number;
  readonly cents: number;
}
export const carts = defineTopic<{ CartChanged: CartChanged }>('carts');

// #region outbox
// create table cart (id text primary key, version int not null, cents int not null check (cents >= 0))
const CHANGE = `
  insert into cart (id, version, cents) values ($1, 1, $2)
  on conflict (id) do update set version = cart.version + 1, cents = excluded.cents
  returning version`;

@Controller('carts')
export class CartsController {
  constructor(
    private readonly pool: Pool,
    @InjectOutbox(carts) private readonly outbox: OutboxOf<typeof carts>,
  ) {}

  @Post(':id')
  async change(@Param('id') id: string, @Body() { cents }: { cents: number }): Promise<CartChanged> {
    const client = await this.pool.connect();
    try {
      await client.query('begin');
      const { rows } = await client.query<{ version: number }>(CHANGE, [id, cents]);
      const payload = { version: rows[0]?.version ?? 0, cents };
      await this.outbox.add(client, { aggregateId: id, type: 'CartChanged', payload });
      await client.query('commit');
      return payload;
    } catch (error) {
      await client.query('rollback');
      throw error;
    } finally {
      client.release();
    }
  }
}
// #endregion

// #region module
@Module({
  imports: [
    DatabaseModule,
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      topics: { carts: {} },
    }),
    AggregatePostgresModule.forRoot({
      connectionString: process.env['DATABASE_URL'] ?? 'postgres://127.0.0.1:5432/shop',
      outbox: { topics: [carts] }, // this process relays, too
    }),
  ],
  controllers: [CartsController],
})
export class AppModule {}
// #endregion
