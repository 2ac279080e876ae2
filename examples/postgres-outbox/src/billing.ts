import { Controller, Module } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler, AggregateTransportModule } from 'nestjs-aggregate-transport';
import { AggregatePostgresModule, Inbox, type InboxOutcome } from 'nestjs-aggregate-transport-postgres';
import { orders } from './shop.js';

@Controller()
class BillingController {
  constructor(private readonly inbox: Inbox) {}

  @AggregateHandler(orders, { type: 'Placed' })
  placed(@Payload() { cents }: { cents: number }, @Ctx() ctx: AggregateContext): Promise<InboxOutcome> {
    return this.inbox.once(ctx, (transaction) =>
      transaction.query('insert into invoice (order_id, cents) values ($1, $2)', [ctx.aggregateId, cents]),
    );
  }
}

@Module({
  imports: [
    AggregateTransportModule.forRootAsync({
      useFactory: () => ({
        servers: process.env['NATS_URL'] ?? '',
        group: 'billing',
        topics: { orders: {} },
      }),
    }),
    AggregatePostgresModule.forRootAsync({
      useFactory: () => ({
        connectionString: process.env['DATABASE_URL'] ?? '',
        migrate: true,
        inbox: true,
      }),
    }),
  ],
  controllers: [BillingController],
})
export class BillingModule {}
