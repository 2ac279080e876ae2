import { describe, expect, test } from '@jest/globals';
import { MODULE_METADATA } from '@nestjs/common/constants.js';
import { Test } from '@nestjs/testing';
import {
  Aggregates,
  AggregateTransportModule,
  defineTopic,
  getAggregatePublisherToken,
  type PublisherOf,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule } from 'nestjs-aggregate-transport/testing';

const orders = defineTopic<{ OrderPlaced: { cents: number } }>('orders');
const options = { group: 'billing', topics: { orders: {} } };

describe('the module for tests', () => {
  test('exports all that the real one does', () => {
    const real = Reflect.getMetadata(MODULE_METADATA.EXPORTS, AggregateTransportModule) as unknown[];
    expect(real.length).toBeGreaterThan(5);
    expect(AggregateTransportTestingModule.forRoot(options).exports).toEqual(expect.arrayContaining(real));
  });

  test('tells where an aggregate stands, and takes it away, in memory', async () => {
    const module = await Test.createTestingModule({
      imports: [
        AggregateTransportTestingModule.forRoot(options),
        AggregateTransportModule.forFeature([orders]),
      ],
    }).compile();
    const app = await module.createNestApplication({ logger: false }).init();
    const publisher = app.get<PublisherOf<typeof orders>>(getAggregatePublisherToken(orders));
    await publisher.publish({ aggregateId: '7', type: 'OrderPlaced', payload: { cents: 250 } });
    const aggregates = app.get(Aggregates);
    const address = { topic: orders, aggregateId: '7' };
    expect(await aggregates.places(address)).toEqual([]);
    expect(await aggregates.planPurge(address)).toMatchObject({ events: 1 });
    expect(await aggregates.purge(address)).toMatchObject({ events: 1 });
    await app.close();
  });
});
