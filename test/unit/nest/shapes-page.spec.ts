import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import {
  AggregateHandler,
  AggregateServer,
  AggregateTransportModule,
  defineTopic,
  getAggregatePublisherToken,
  type PayloadOf,
  type PublisherOf,
  type,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { z } from 'zod';

// The code of docs/shapes.md.

interface OrderPaid {
  cents: number;
}

// #region define
const orders = defineTopic('orders', {
  OrderPlaced: {
    version: 3,
    schema: z.object({
      lines: z.array(z.object({ sku: z.string(), quantity: z.number().int().positive() })),
      placedOn: z.iso.date().transform((text) => new Date(text)),
    }),
    upcast: {
      1: (old: { sku: string; day: string }) => ({ lines: [old.sku], placedOn: old.day }),
      2: ({ lines, placedOn }: { lines: string[]; placedOn: string }) => ({
        lines: lines.map((sku) => ({ sku, quantity: 1 })),
        placedOn,
      }),
    },
  },
  OrderPaid: type<OrderPaid>(), // the compiler alone checks it
});
// #endregion

const placed: PayloadOf<typeof orders, 'OrderPlaced'>[] = [];

// #region handle
@Controller()
class Billing {
  @AggregateHandler(orders, { type: 'OrderPlaced' })
  placed(@Payload() order: PayloadOf<typeof orders, 'OrderPlaced'>) {
    placed.push(order); // order.placedOn is a Date
  }
}

function place(publisher: PublisherOf<typeof orders>) {
  const payload = { lines: [{ sku: 'tea', quantity: 2 }], placedOn: '2026-11-30' }; // a text, as the schema takes it
  return publisher.publish({ aggregateId: 'order-7', type: 'OrderPlaced', payload }); // stored as version 3
}
// #endregion

let app: INestApplication | undefined;

afterEach(() => app?.close());

test('the page does what it says, for old events, too', async () => {
  const streams = new TestingStreams();
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot({ group: 'billing', topics: { orders: {} } }, streams),
      AggregateTransportModule.forFeature([orders]),
    ],
    controllers: [Billing],
  }).compile();
  app = module.createNestApplication({ logger: false });
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  await app.startAllMicroservices();
  const publisher = app.get<PublisherOf<typeof orders>>(getAggregatePublisherToken(orders));
  const old = { sku: 'salt', day: '2020-01-01' };
  await publisher.publish({ aggregateId: 'order-7', type: 'OrderPlaced', version: 1, payload: old as never });
  await place(publisher);
  await streams.untilHandled(orders);
  expect(placed).toEqual([
    { lines: [{ sku: 'salt', quantity: 1 }], placedOn: new Date('2020-01-01') },
    { lines: [{ sku: 'tea', quantity: 2 }], placedOn: new Date('2026-11-30') },
  ]);
  expect(streams.events(orders).map(({ version }) => version)).toEqual([1, 3]);
});
