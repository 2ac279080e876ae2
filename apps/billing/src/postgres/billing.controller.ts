import { Controller, Get, UseInterceptors } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  InjectAggregatePublisher,
  type PublisherOf,
} from 'nestjs-aggregate-transport';
import { Inbox } from 'nestjs-aggregate-transport-postgres';
import {
  type ItemAdded,
  type OrderPaid,
  type OrderPlaced,
  orders,
  type OrderShipped,
} from '../../../orders/src/orders.topic.js';
import type { Invoice } from '../invoices.js';
import { invoices } from '../invoices.topic.js';
import { PaymentGateway } from '../payment-gateway.js';
import { WitnessInterceptor } from '../witness.interceptor.js';
import { InvoiceRows, type InvoiceTotals } from './invoice-rows.js';

/** The billing projection in rows. Each event changes its invoice in the transaction that notes its place. */
@Controller('invoices')
@UseInterceptors(WitnessInterceptor)
export class BillingController {
  constructor(
    private readonly inbox: Inbox,
    private readonly rows: InvoiceRows,
    private readonly gateway: PaymentGateway,
    @InjectAggregatePublisher(invoices) private readonly publisher: PublisherOf<typeof invoices>,
  ) {}

  @AggregateHandler(orders, { type: 'OrderPlaced' })
  async placed(@Payload() order: OrderPlaced, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
    await this.gateway.call(ctx.attempt);
    await this.inbox.once(ctx, (transaction) => this.rows.open(transaction, id, order.customer));
  }

  @AggregateHandler(orders, { type: 'ItemAdded' })
  async itemAdded(@Payload() { cents }: ItemAdded, @Ctx() ctx: AggregateContext) {
    await this.gateway.call(ctx.attempt);
    await this.inbox.once(ctx, (transaction) => this.rows.addItem(transaction, ctx, cents));
  }

  @AggregateHandler(orders, { type: 'OrderPaid' })
  async paid(@Payload() { cents }: OrderPaid, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
    await ctx.publish(this.publisher, { aggregateId: id, type: 'InvoicePaid', payload: { cents } });
    await this.gateway.call(ctx.attempt);
    await this.inbox.once(ctx, (transaction) => this.rows.pay(transaction, ctx, cents));
  }

  @AggregateHandler(orders, { type: 'OrderShipped' })
  async shipped(@Payload() { carrier }: OrderShipped, @Ctx() ctx: AggregateContext) {
    await this.gateway.call(ctx.attempt);
    await this.inbox.once(ctx, (transaction) => this.rows.ship(transaction, ctx, carrier));
  }

  @Get()
  all(): Promise<Invoice[]> {
    return this.rows.all();
  }

  @Get('totals')
  totals(): Promise<InvoiceTotals> {
    return this.rows.totals();
  }
}
