import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import {
  AggregateHandler,
  AggregateServer,
  AggregateTransportModule,
  type AggregatePublisher,
  getAggregatePublisherToken,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';

const open: INestApplication[] = [];

afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

interface World {
  readonly streams: TestingStreams;
  readonly publish: (id: string, payload: unknown) => Promise<unknown>;
}

/** An application whose handler does what the test says. */
async function world(handle: (payload: unknown) => unknown, partitions = 1): Promise<World> {
  @Controller()
  class Handler {
    @AggregateHandler('orders', { retry: { attempts: 3, firstDelayMs: 100 } })
    async handle(@Payload() payload: unknown): Promise<void> {
      await handle(payload);
    }
  }
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot({
        group: 'billing',
        topics: { orders: { consume: { partitions } } },
      }),
      AggregateTransportModule.forFeature(['orders']),
    ],
    controllers: [Handler],
  }).compile();
  const app = module.createNestApplication({ logger: false });
  open.push(app);
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  await app.startAllMicroservices();
  const publisher = app.get<AggregatePublisher>(getAggregatePublisherToken('orders'));
  return {
    streams: app.get(TestingStreams),
    publish: (aggregateId, payload) => publisher.publish({ aggregateId, type: 'A', payload }),
  };
}

test.each([1, 4])(
  'untilHandled waits for handlers that need real time, with %i partition(s)',
  async (partitions) => {
    const handled: unknown[] = [];
    const { streams, publish } = await world(async (payload) => {
      await delay(30);
      handled.push(payload);
    }, partitions);
    for (const id of ['a', 'b', 'c', 'd']) await publish(id, id);
    await streams.settle();
    expect(handled.length).toBeLessThan(4);
    await streams.untilHandled('orders');
    expect([...handled].sort()).toEqual(['a', 'b', 'c', 'd']);
  },
);

test('untilHandled counts what was published before it, and what is parked', async () => {
  const { streams, publish } = await world((payload) => {
    if (payload !== 'good') throw new Error('bad');
  });
  await publish('a', 'bad');
  await publish('b', 'good');
  await Promise.all([streams.advance(1_000), streams.untilHandled('orders', { group: 'billing' })]);
  void publish('c', 'bad');
  await streams.untilHandled('orders');
});

test('untilHandled names the event that is not settled, its aggregate and its group, and advance()', async () => {
  const { streams, publish } = await world(() => Promise.reject(new Error('bad')));
  await publish('order 7', 'bad');
  await expect(streams.untilHandled('orders', { withinMs: 20 })).rejects.toMatchObject({
    code: 'TEST_TIMED_OUT',
    message:
      'expected all events of topic "orders" up to sequence 1 to be settled within 20 ms, found that sequence 1, of ' +
      'aggregate "order 7", is not settled by group "billing"; a retry or a timer of the transport waits until the test calls ' +
      'advance()',
  });
  await streams.advance(1_000);
  await streams.untilHandled('orders');
});

test.each([
  ['a group', 'orders', 'bill'],
  ['a topic', 'order', undefined],
])('untilHandled refuses %s that has not started, at once', async (_what, topic, group) => {
  const { streams } = await world(() => undefined);
  const waiting = streams.untilHandled(topic, group === undefined ? {} : { group });
  await expect(waiting).rejects.toMatchObject({ code: 'GROUP_UNKNOWN' });
});

test('until resolves with what its condition gives, and looks again while that is nothing', async () => {
  const rows: string[] = [];
  const { streams, publish } = await world(async (payload) => {
    await delay(30);
    rows.push(String(payload));
  });
  await publish('a', 'paid');
  expect(await streams.until(() => rows.find((row) => row === 'paid'))).toBe('paid');
  expect(await streams.until(() => Promise.resolve(rows.length))).toBe(1);
});

test('until ends with what was awaited, or with the error of its condition', async () => {
  const { streams } = await world(() => undefined);
  await expect(
    streams.until(() => false, { withinMs: 20, what: 'the invoice to be paid' }),
  ).rejects.toMatchObject({
    code: 'TEST_TIMED_OUT',
    message: expect.stringMatching(
      /^expected the invoice to be paid within 20 ms, found that it does not; .*advance\(\)$/,
    ),
  });
  const broken = (): boolean => {
    throw new Error('no such row');
  };
  await expect(streams.until(broken)).rejects.toThrow('no such row');
});
