import { Controller, Injectable, Module } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  AggregateHandler,
  AggregateId,
  AggregateTransportModule,
  defineTopic,
  InjectAggregatePublisher,
  type PublisherOf,
} from 'nestjs-aggregate-transport';

// #region after
export const orders = defineTopic<{ OrderPaid: { cents: number } }>('orders');

@Injectable()
export class Orders {
  constructor(@InjectAggregatePublisher(orders) private readonly publisher: PublisherOf<typeof orders>) {}

  async pay(order: string, cents: number): Promise<void> {
    await this.publisher.publish({ aggregateId: order, type: 'OrderPaid', payload: { cents } }); // stored, or rejects
  }
}

@Controller()
export class Billing {
  @AggregateHandler(orders, { type: 'OrderPaid' })
  async paid(@Payload() { cents }: { cents: number }, @AggregateId() order: string): Promise<void> {
    await charge(order, cents); // after the event before of this order; an error is tried again, in its place
  }
}

@Module({
  imports: [
    AggregateTransportModule.forRoot({
      servers: process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222',
      group: 'billing',
      topics: { orders: {} },
    }),
    AggregateTransportModule.forFeature([orders]),
  ],
  controllers: [Billing],
  providers: [Orders],
})
export class AppModule {}
// main.ts: app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true })
// #endregion

/** What a test sees of the charges. */
export const charges: string[] = [];

async function charge(order: string, cents: number): Promise<void> {
  await Promise.resolve();
  charges.push(`${order} ${cents}`);
}
