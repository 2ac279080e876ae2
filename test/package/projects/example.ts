// What the README shows, in one file that compiles as ESM and as CommonJS; copied into each project.
import 'reflect-metadata';
import { Controller, Injectable, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  AggregateId,
  AggregateServer,
  AggregateTransportModule,
  defineTopic,
  InjectAggregatePublisher,
  type PublisherOf,
  type PublishReceipt,
} from 'nestjs-aggregate-transport';
import { OrderOracle } from 'nestjs-aggregate-transport/testing';

interface OrderPlaced {
  customer: string;
  n: number;
}

const orders = defineTopic<{ OrderPlaced: OrderPlaced; OrderShipped: { carrier: string } }>('orders');
const oracle = new OrderOracle();
let shipped = 0;

@Injectable()
class OrderService {
  constructor(@InjectAggregatePublisher(orders) private readonly publisher: PublisherOf<typeof orders>) {}

  place(id: string, order: OrderPlaced): Promise<PublishReceipt> {
    return this.publisher.publish({ aggregateId: id, type: 'OrderPlaced', payload: order });
  }

  ship(id: string): Promise<PublishReceipt> {
    return this.publisher.publish({ aggregateId: id, type: 'OrderShipped', payload: { carrier: 'post' } });
  }
}

@Controller()
class BillingController {
  @AggregateHandler(orders, { type: 'OrderPlaced', retry: { firstDelayMs: 10 } })
  async placed(@Payload() order: OrderPlaced, @AggregateId() id: string, @Ctx() ctx: AggregateContext) {
    oracle.started(id, order.n);
    await Promise.resolve();
    const fails = ctx.attempt === 1 && order.n === 2;
    oracle.ended(id, order.n, !fails);
    if (fails) throw new Error('the first attempt fails');
  }

  @AggregateHandler(orders)
  shipped() {
    shipped++;
  }
}

/** Publishes and handles in one application; throws unless everything came in order. */
export async function runExample(servers: string): Promise<string> {
  @Module({
    imports: [
      AggregateTransportModule.forRoot({ servers, group: 'billing', topics: { orders: {} } }),
      AggregateTransportModule.forFeature([orders]),
    ],
    controllers: [BillingController],
    providers: [OrderService],
  })
  class AppModule {}

  const app = await NestFactory.create(AppModule, { logger: false });
  app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true });
  await app.init();
  await app.startAllMicroservices();
  const service = app.get(OrderService);
  for (let n = 1; n <= 5; n++) {
    for (const id of ['a', 'b']) await service.place(id, { customer: 'Ada', n: oracle.published(id) });
  }
  await service.ship('a');
  await until(() => oracle.isComplete && shipped === 1);
  await app.close();
  const { handled, repeated, violations, overlaps, lost } = oracle.verdict();
  const wrong = [...violations, ...overlaps, ...lost];
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
  return `${handled} handled, ${repeated} repeated, ${shipped} shipped`;
}

export async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('expected the condition within 20 s, but it never held');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
