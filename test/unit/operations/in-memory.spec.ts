import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  AggregateHandler,
  AggregateOperations,
  type AggregatePublisher,
  AggregateServer,
  AggregateTransportModule,
  getAggregatePublisherToken,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';

const billing = { topic: 'orders', group: 'billing' };
let app: INestApplication | undefined;

afterEach(() => app?.close());

test('operators see the same of streams in memory, and ask the process', async () => {
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => (release = resolve));
  @Controller()
  class Handler {
    @AggregateHandler('orders')
    handle(payload: string): Promise<void> | undefined {
      if (payload === 'hangs') return released;
      if (payload === 'bad') throw new UnrecoverableError(new Error('no stock'));
      return undefined;
    }
  }
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot({
        group: 'billing',
        topics: { orders: { consume: { partitions: 2 } } },
      }),
      AggregateTransportModule.forFeature(['orders']),
    ],
    controllers: [Handler],
  }).compile();
  app = module.createNestApplication({ logger: false });
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  await app.startAllMicroservices();
  const streams = app.get(TestingStreams);
  const operations = app.get(AggregateOperations);
  /** The clock stands still, so it is moved beside the call. */
  const during = async <T>(call: Promise<T>): Promise<T> => (await Promise.all([call, streams.settle()]))[0];
  const publisher = app.get<AggregatePublisher>(getAggregatePublisherToken('orders'));
  for (const payload of ['hangs', 'bad', 'good'])
    await during(publisher.publish({ aggregateId: payload, type: 'A', payload }));
  await streams.settle();

  expect(await during(operations.topics())).toEqual([
    expect.objectContaining({ topic: 'orders', events: 3, aggregates: 3, groups: ['billing'] }),
  ]);
  expect(await during(operations.status())).toEqual([
    expect.objectContaining({ ...billing, missing: [], partitions: [expect.anything(), expect.anything()] }),
  ]);
  expect(await during(operations.parked(billing))).toMatchObject({ total: 1, next: undefined });
  expect(await during(operations.search('bad'))).toEqual([
    { topic: 'orders', aggregateId: 'bad', lastSequence: 2, parkedIn: ['billing'] },
  ]);
  const live = await during(operations.askGroup(billing));
  expect(live).toMatchObject({ isComplete: true, partitionCount: 2, unknown: [] });
  expect(live.worst).toEqual([
    expect.objectContaining({ aggregateId: 'hangs', state: 'running', isRunning: true, queued: 1 }),
  ]);
  expect(await during(operations.askAggregate({ ...billing, aggregateId: 'bad' }))).toMatchObject({
    owner: { parked: { reason: 'UNRECOVERABLE' } },
  });
  expect(await during(operations.askGroup({ ...billing, group: 'none' }))).toMatchObject({ replicas: [] });
  await expect(operations.group({ ...billing, topic: 'other' })).rejects.toMatchObject({
    code: 'TOPIC_UNDECLARED',
  });
  release();
  await streams.settle();
});
