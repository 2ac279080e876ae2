import { Body, Controller, Param, Post } from '@nestjs/common';
import type { EventOf, PublishReceipt } from 'nestjs-aggregate-transport';
import { OrderService } from './order.service.js';
import type { ItemAdded, OrderPlaced, orders } from './orders.topic.js';

/** The HTTP API of the order service: each call publishes what it caused and answers when it is stored. */
@Controller('orders')
export class OrdersController {
  constructor(private readonly service: OrderService) {}

  @Post(':id/place')
  place(@Param('id') id: string, @Body() order: OrderPlaced): Promise<PublishReceipt> {
    return this.service.place(id, order);
  }

  @Post(':id/items')
  addItem(@Param('id') id: string, @Body() item: ItemAdded): Promise<PublishReceipt> {
    return this.service.addItem(id, item);
  }

  @Post(':id/pay')
  pay(@Param('id') id: string, @Body() payment: { cents: number }): Promise<PublishReceipt> {
    return this.service.pay(id, payment.cents);
  }

  @Post(':id/ship')
  ship(@Param('id') id: string, @Body() shipment: { carrier: string }): Promise<PublishReceipt> {
    return this.service.ship(id, shipment.carrier);
  }

  /** A batch, as an import or a till that was offline sends it. */
  @Post('events')
  publishAll(@Body() events: EventOf<typeof orders>[]): Promise<PublishReceipt[]> {
    return this.service.publishAll(events);
  }
}
