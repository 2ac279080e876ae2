import { expect, test } from '@jest/globals';
import { type BeforeApplicationShutdown, Controller, Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { AggregateHandler, AggregateServer, AggregateTransportModule } from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { publisherOf } from '../../../support/app.js';
import { CapturedLog } from '../../../support/captured-log.js';

test('a shutdown says of no problem that it is over', async () => {
  let isAway = true;

  @Controller()
  class Handler {
    @AggregateHandler('orders', { retry: { attempts: 1_000, maxDelayMs: 100 } })
    handle(): void {
      if (isAway) throw new Error('the database is away');
    }
  }

  @Injectable()
  class SlowToEnd implements BeforeApplicationShutdown {
    constructor(private readonly streams: TestingStreams) {}

    async beforeApplicationShutdown(): Promise<void> {
      isAway = false;
      await this.streams.advance(20_000);
    }
  }

  const log = new CapturedLog();
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot({ group: 'g', topics: { orders: {} } }),
      AggregateTransportModule.forFeature(['orders']),
    ],
    controllers: [Handler],
    providers: [
      { provide: SlowToEnd, inject: [TestingStreams], useFactory: (of: TestingStreams) => new SlowToEnd(of) },
    ],
  }).compile();
  const app = module.createNestApplication({ logger: log });
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  await app.startAllMicroservices();
  const events = Array.from({ length: 10 }, (_, n) => ({ aggregateId: `a${n}`, type: 'T', payload: n }));
  await publisherOf(app, 'orders').publishAll(events);
  await app.get(TestingStreams).advance(4_000);
  await log.says(/health goes down, attempts-fail/);
  await app.close();
  expect(log.matching(/is over, after/)).toEqual([]);
});
