import { Controller } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import type { Added, Closed, Opened } from './orders.topic.js';
import { ordersTopic } from './orders.topic.js';
import { OrdersView } from './orders.view.js';

/**
 * Handles the events of each id one at a time, in the order they were stored. A handler that throws is tried again in
 * its place, before any newer event of that id.
 */
@Controller()
export class OrdersHandler {
  constructor(private readonly view: OrdersView) {}

  @AggregateHandler(ordersTopic, { type: 'Opened' })
  opened(@Payload() { owner }: Opened, @AggregateId() id: string, @Ctx() { position }: AggregateContext) {
    this.view.apply(id, position, (entry) => ({ ...entry, owner }));
  }

  @AggregateHandler(ordersTopic, { type: 'Added' })
  added(@Payload() { amount }: Added, @AggregateId() id: string, @Ctx() { position }: AggregateContext) {
    this.view.apply(id, position, (entry) => ({ ...entry, total: entry.total + amount }));
  }

  @AggregateHandler(ordersTopic, { type: 'Closed' })
  closed(@Payload() { reason }: Closed, @AggregateId() id: string, @Ctx() { position }: AggregateContext) {
    this.view.apply(id, position, (entry) => ({ ...entry, closed: reason }));
  }
}
