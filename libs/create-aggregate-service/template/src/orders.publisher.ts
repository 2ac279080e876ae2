import { Injectable } from '@nestjs/common';
import { InjectAggregatePublisher, type PublisherOf, type PublishReceipt } from 'nestjs-aggregate-transport';
import { type Added, type Closed, type Opened, ordersTopic } from './orders.topic.js';

/** A publish resolves when the event is stored, after every earlier one of the same id. */
@Injectable()
export class OrdersPublisher {
  constructor(
    @InjectAggregatePublisher(ordersTopic) private readonly events: PublisherOf<typeof ordersTopic>,
  ) {}

  open(id: string, payload: Opened): Promise<PublishReceipt> {
    return this.events.publish({ aggregateId: id, type: 'Opened', payload });
  }

  add(id: string, payload: Added): Promise<PublishReceipt> {
    return this.events.publish({ aggregateId: id, type: 'Added', payload });
  }

  close(id: string, payload: Closed): Promise<PublishReceipt> {
    return this.events.publish({ aggregateId: id, type: 'Closed', payload });
  }
}
