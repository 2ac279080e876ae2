import { Injectable, Module } from '@nestjs/common';
import {
  AggregateTransportModule,
  InjectAggregatePublisher,
  type PublisherOf,
} from 'nestjs-aggregate-transport';
import { orders } from './orders.topic.js';

@Injectable()
export class Orders {
  constructor(@InjectAggregatePublisher(orders) private readonly events: PublisherOf<typeof orders>) {}

  /** Both calls are made at once. The second event is stored after the first one, or not at all. */
  async placeAndPay(id: string, customer: string, cents: number): Promise<void> {
    await this.events.publishAll([
      { aggregateId: id, type: 'Placed', payload: { customer } },
      { aggregateId: id, type: 'Paid', payload: { cents } },
    ]);
  }
}

@Module({
  imports: [
    AggregateTransportModule.forRootAsync({
      useFactory: () => ({ servers: process.env['NATS_URL'] ?? '', topics: { orders: {} } }),
    }),
    AggregateTransportModule.forFeature([orders]),
  ],
  providers: [Orders],
})
export class OrdersModule {}
