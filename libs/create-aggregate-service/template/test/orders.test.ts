import 'reflect-metadata';
import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { Test } from '@nestjs/testing';
import { AggregateServer } from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { OrdersModule } from '../src/orders.module.js';
import { OrdersPublisher } from '../src/orders.publisher.js';
import { ordersTopic } from '../src/orders.topic.js';
import { OrdersView } from '../src/orders.view.js';

/** The service without a server: streams in memory, and a clock that the test moves. */
async function startInMemory() {
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot({ group: 'my-service', topics: { [ordersTopic.name]: {} } }),
      OrdersModule,
    ],
  }).compile();
  const app = module.createNestApplication({ logger: false });
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  await app.startAllMicroservices();
  return app;
}

test('adds up the events of one id', async () => {
  const app = await startInMemory();
  const publisher = app.get(OrdersPublisher);
  await publisher.open('7', { owner: 'Ada' });
  await publisher.add('7', { amount: 20 });
  await publisher.add('7', { amount: 22 });
  await app.get(TestingStreams).untilHandled(ordersTopic);
  assert.equal(app.get(OrdersView).find('7')?.total, 42);
  await app.close();
});

test('a failed event is tried again before any newer one of its id, and other ids continue', async () => {
  const app = await startInMemory();
  const publisher = app.get(OrdersPublisher);
  const streams = app.get(TestingStreams);
  const view = app.get(OrdersView);
  mock.method(view, 'apply', () => assert.fail('the database is away'), { times: 1 });

  await publisher.open('7', { owner: 'Ada' });
  await publisher.add('7', { amount: 1 });
  await streams.settle(); // the first attempt of Opened has failed
  await publisher.open('8', { owner: 'Bob' });
  await streams.settle();
  assert.equal(view.find('7'), undefined);
  assert.equal(view.find('8')?.owner, 'Bob');

  await streams.advance(150); // the second attempt is due after 100 ms, up to 20 % later
  await streams.untilHandled(ordersTopic);
  assert.deepEqual([view.find('7')?.owner, view.find('7')?.total], ['Ada', 1]);
  await app.close();
});
