import { Controller, Injectable, Module } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  AggregateTransportModule,
} from 'nestjs-aggregate-transport';
import { orders } from './orders.topic.js';

/** A payment provider that is busy at each third order's first call. */
@Injectable()
export class Gateway {
  charge(id: string, attempt: number): Promise<void> {
    const isBusy = Number(id) % 3 === 0 && attempt === 1;
    return isBusy ? Promise.reject(new Error('the payment provider is busy')) : Promise.resolve();
  }
}

/** What was handled, per order. */
@Injectable()
export class Invoices {
  readonly seen = new Map<string, string[]>();

  note(id: string, what: string): void {
    this.seen.set(id, [...(this.seen.get(id) ?? []), what]);
  }
}

@Controller()
class BillingController {
  constructor(
    private readonly gateway: Gateway,
    private readonly invoices: Invoices,
  ) {}

  @AggregateHandler(orders, { type: 'Placed' })
  async placed(
    @Payload() _order: { customer: string },
    @AggregateId() id: string,
    @Ctx() ctx: AggregateContext,
  ) {
    await this.gateway.charge(id, ctx.attempt); // if this throws, Paid of this order waits
    this.invoices.note(id, 'Placed');
  }

  @AggregateHandler(orders, { type: 'Paid' })
  paid(@Payload() _payment: { cents: number }, @AggregateId() id: string) {
    this.invoices.note(id, 'Paid');
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
  ],
  controllers: [BillingController],
  providers: [Gateway, Invoices],
})
export class BillingModule {}
