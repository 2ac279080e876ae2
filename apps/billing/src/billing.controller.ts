import { Controller, UseInterceptors } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  InjectAggregatePublisher,
  type PublisherOf,
} from 'nestjs-aggregate-transport';
import {
  type ItemAdded,
  type OrderPaid,
  type OrderPlaced,
  orders,
  type OrderShipped,
} from '../../orders/src/orders.topic.js';
import { Invoices } from './invoices.js';
import { invoices as invoicesTopic } from './invoices.topic.js';
import { PaymentGateway } from './payment-gateway.js';
import { WitnessInterceptor } from './witness.interceptor.js';

@Controller()
@UseInterceptors(WitnessInterceptor)
export class BillingController {
  constructor(
    private readonly invoices: Invoices,
    private readonly gateway: PaymentGateway,
    @InjectAggregatePublisher(invoicesTopic) private readonly publisher: PublisherOf<typeof invoicesTopic>,
  ) {}

  // #region handle
  @AggregateHandler(orders, { type: 'OrderPlaced' })
  async placed(@Payload() order: OrderPlaced, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
    if (this.invoices.has(id, ctx.position)) return; // a repeat after a crash: the row has it already
    await this.gateway.call(ctx.attempt); // a failure is tried again, before any newer event of this order
    this.invoices.open(id, order.customer, ctx.position);
  }
  // #endregion

  @AggregateHandler(orders, { type: 'ItemAdded' })
  async itemAdded(@Payload() item: ItemAdded, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
    if (this.invoices.has(id, ctx.position)) return;
    await this.gateway.call(ctx.attempt);
    this.invoices.change(id, ctx.position, ({ cents, items }) => ({
      cents: cents + item.cents,
      items: items + 1,
    }));
  }

  // #region cause
  @AggregateHandler(orders, { type: 'OrderPaid' })
  async paid(@Payload() { cents }: OrderPaid, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
    if (this.invoices.has(id, ctx.position)) return;
    await ctx.publish(this.publisher, { aggregateId: id, type: 'InvoicePaid', payload: { cents } });
    await this.gateway.call(ctx.attempt); // if it fails, all of this runs again, and the event is stored once
    this.invoices.change(id, ctx.position, () => ({ status: 'paid', paidCents: cents }));
  }
  // #endregion

  @AggregateHandler(orders, { type: 'OrderShipped' })
  async shipped(@Payload() shipment: OrderShipped, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
    if (this.invoices.has(id, ctx.position)) return;
    await this.gateway.call(ctx.attempt);
    this.invoices.change(id, ctx.position, () => ({ status: 'shipped', carrier: shipment.carrier }));
  }
}
