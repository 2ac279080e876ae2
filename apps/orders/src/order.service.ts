import { Injectable } from '@nestjs/common';
import {
  type EventOf,
  InjectAggregatePublisher,
  type PublisherOf,
  type PublishReceipt,
} from 'nestjs-aggregate-transport';
import { type ItemAdded, type OrderPlaced, orders } from './orders.topic.js';

// #region publish
@Injectable()
export class OrderService {
  constructor(@InjectAggregatePublisher(orders) private readonly publisher: PublisherOf<typeof orders>) {}

  place(id: string, order: OrderPlaced): Promise<PublishReceipt> {
    return this.publisher.publish({ aggregateId: id, type: 'OrderPlaced', payload: order });
  }
  // #endregion

  addItem(id: string, item: ItemAdded): Promise<PublishReceipt> {
    return this.publisher.publish({ aggregateId: id, type: 'ItemAdded', payload: item });
  }

  pay(id: string, cents: number): Promise<PublishReceipt> {
    return this.publisher.publish({ aggregateId: id, type: 'OrderPaid', payload: { cents } });
  }

  ship(id: string, carrier: string): Promise<PublishReceipt> {
    return this.publisher.publish({ aggregateId: id, type: 'OrderShipped', payload: { carrier } });
  }

  /** Many events at once, each order's in the order given. */
  publishAll(events: EventOf<typeof orders>[]): Promise<PublishReceipt[]> {
    return this.publisher.publishAll(events);
  }
}
