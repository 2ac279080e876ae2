import { expect, test } from '@jest/globals';
import { Test } from '@nestjs/testing';
import { AggregateTransportModule } from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { OrderService } from '../src/order.service.js';
import { orders } from '../src/orders.topic.js';

test('what the service does becomes the events of its order, in call order', async () => {
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot({ topics: { orders: {} } }),
      AggregateTransportModule.forFeature([orders]),
    ],
    providers: [OrderService],
  }).compile();
  await module.init();
  const service = module.get(OrderService);
  await Promise.all([
    service.place('7', { customer: 'Ada' }),
    service.addItem('7', { sku: 'tea', cents: 250 }),
    service.pay('7', 250),
    service.ship('7', 'post'),
  ]);
  const stored = module.get(TestingStreams).events(orders);
  await module.close();
  expect(stored.map(({ aggregateId, type, payload }) => [aggregateId, type, payload])).toEqual([
    ['7', 'OrderPlaced', { customer: 'Ada' }],
    ['7', 'ItemAdded', { sku: 'tea', cents: 250 }],
    ['7', 'OrderPaid', { cents: 250 }],
    ['7', 'OrderShipped', { carrier: 'post' }],
  ]);
});
