import { expect, test } from '@jest/globals';
import { Test } from '@nestjs/testing';
import {
  AggregateServer,
  AggregateTransportModule,
  getAggregatePublisherToken,
  type PublisherOf,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { orders } from '../../orders/src/orders.topic.js';
import { BillingController } from '../src/billing.controller.js';
import { Invoices } from '../src/invoices.js';
import { invoices } from '../src/invoices.topic.js';
import { PaymentGateway } from '../src/payment-gateway.js';
import { Witness } from '../src/witness.js';
import { WitnessInterceptor } from '../src/witness.interceptor.js';

// #region test
test('while the gateway is busy an order waits with all its events, and no other order does', async () => {
  let busy = true;
  const gateway = { call: () => (busy ? Promise.reject(new Error('busy')) : Promise.resolve()) };
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot({ group: 'billing', topics: { orders: {}, invoices: {} } }),
      AggregateTransportModule.forFeature([orders, invoices]),
    ],
    controllers: [BillingController],
    providers: [Invoices, Witness, WitnessInterceptor, { provide: PaymentGateway, useValue: gateway }],
  }).compile();
  const app = module.createNestApplication({ logger: false });
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  await app.startAllMicroservices();
  const publisher = app.get<PublisherOf<typeof orders>>(getAggregatePublisherToken(orders));
  const streams = app.get(TestingStreams);

  await publisher.publish({ aggregateId: '7', type: 'OrderPlaced', payload: { customer: 'Ada' } });
  await publisher.publish({ aggregateId: '7', type: 'OrderPaid', payload: { cents: 250 } });
  await streams.settle(); // the first attempt has failed
  busy = false;
  await publisher.publish({ aggregateId: '8', type: 'OrderPlaced', payload: { customer: 'Bob' } });
  await streams.settle();
  expect(app.get(Invoices).all()).toMatchObject([{ orderId: '8', status: 'open' }]);

  await streams.advance(150); // the second attempt is due after 100 ms at most
  await streams.untilHandled(orders); // all that was published is settled; else it says what is not
  expect(app.get(Invoices).find('7')).toMatchObject({ customer: 'Ada', status: 'paid', paidCents: 250 });
  await app.close();
});
// #endregion

test('a payment is announced once, although its handler fails after it has announced it', async () => {
  const failures = [new Error('busy'), new Error('busy')];
  // The order is placed without a failure; its payment fails twice.
  const gateway = {
    call: () => {
      const failure = app.get(Invoices).find('7') === undefined ? undefined : failures.pop();
      return failure === undefined ? Promise.resolve() : Promise.reject(failure);
    },
  };
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot({ group: 'billing', topics: { orders: {}, invoices: {} } }),
      AggregateTransportModule.forFeature([orders, invoices]),
    ],
    controllers: [BillingController],
    providers: [Invoices, Witness, WitnessInterceptor, { provide: PaymentGateway, useValue: gateway }],
  }).compile();
  const app = module.createNestApplication({ logger: false });
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  await app.startAllMicroservices();
  const publisher = app.get<PublisherOf<typeof orders>>(getAggregatePublisherToken(orders));
  const streams = app.get(TestingStreams);
  const announced = (): unknown[] =>
    streams.events(invoices).map(({ aggregateId, type, payload }) => [aggregateId, type, payload]);

  await publisher.publish({ aggregateId: '7', type: 'OrderPlaced', payload: { customer: 'Ada' } });
  await publisher.publish({ aggregateId: '7', type: 'OrderPaid', payload: { cents: 250 } });
  await streams.settle();
  expect([announced().length, app.get(Invoices).find('7')?.status]).toEqual([1, 'open']);
  await streams.advance(1_000);
  expect([failures.length, app.get(Invoices).find('7')?.status]).toEqual([0, 'paid']);
  expect(announced()).toEqual([['7', 'InvoicePaid', { cents: 250 }]]);
  await app.close();
});
