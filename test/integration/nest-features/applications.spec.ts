import { expect, test } from '@jest/globals';
import { Controller, Injectable, Module, type OnModuleInit } from '@nestjs/common';
import { ClientsModule, EventPattern, Transport } from '@nestjs/microservices';
import { NestFactory } from '@nestjs/core';
import {
  AggregateClient,
  AggregateHandler,
  AggregatePublisher,
  AggregateRecord,
  AggregateServer,
  AggregateTransportModule,
  type AggregateTransportOptionsFactory,
  InjectAggregatePublisher,
  type PublishReceipt,
} from 'nestjs-aggregate-transport';
import { lastValueFrom } from 'rxjs';
import { createPure, publisherOf, startApp } from '../../support/app.js';
import { inThisWay } from '../../support/direct-calls.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll();

test('several topics and groups in one application: each group handles every event of its topics, in its own lanes', async () => {
  const seen: Record<string, string[]> = {};
  const note = (who: string, payload: string): void => void (seen[who] ??= []).push(payload);
  let release = (): void => undefined;
  const held = new Promise<void>((resolve) => (release = resolve));

  @Controller()
  class Orders {
    @AggregateHandler('app-orders')
    async orders(payload: string) {
      await held;
      note('orders', payload);
    }
    @AggregateHandler('app-orders', { group: 'audit' })
    audit(payload: string) {
      note('audit', payload);
    }
  }
  @Controller()
  class Payments {
    @AggregateHandler('app-payments')
    payments(payload: string) {
      note('payments', payload);
    }
  }

  const app = await startApp({
    options: {
      servers: server().url,
      group: 'main',
      connectionMode: 'shared',
      topics: { 'app-orders': {}, 'app-payments': { consume: { partitions: 4 } } },
    },
    publishers: ['app-orders', 'app-payments'],
    controllers: [Orders, Payments],
  });
  for (const n of [1, 2, 3]) {
    await publisherOf(app, 'app-orders').publish({ aggregateId: 'a', type: 'T', payload: `o${n}` });
    await publisherOf(app, 'app-payments').publish({ aggregateId: 'a', type: 'T', payload: `p${n}` });
  }
  // A handler that waits holds up neither another group of its topic nor another topic.
  await eventually(
    'the others are done',
    () => seen['audit']?.length === 3 && seen['payments']?.length === 3,
  );
  expect(seen['orders']).toBeUndefined();
  release();
  await eventually('all done', () => seen['orders']?.length === 3);
  await app.close();
  expect(seen).toEqual({
    orders: ['o1', 'o2', 'o3'],
    audit: ['o1', 'o2', 'o3'],
    payments: ['p1', 'p2', 'p3'],
  });
});

test('a pure microservice takes the strategy from the module, and handles after onModuleInit', async () => {
  const steps: string[] = [];

  @Controller()
  class Handler implements OnModuleInit {
    constructor(@InjectAggregatePublisher('pure') private readonly publisher: AggregatePublisher) {}

    async onModuleInit() {
      await this.publisher.publish({ aggregateId: 'a', type: 'T', payload: 'early' });
      steps.push('initialised');
    }
    @AggregateHandler('pure')
    handle(payload: string) {
      steps.push(payload);
    }
  }

  @Injectable()
  class Options implements AggregateTransportOptionsFactory {
    createAggregateTransportOptions() {
      return inThisWay({ servers: server().url, group: 'pure', topics: { pure: {} } });
    }
  }
  @Module({
    imports: [
      AggregateTransportModule.forRootAsync({ useClass: Options }),
      AggregateTransportModule.forFeature(['pure']),
    ],
    controllers: [Handler],
  })
  class PureModule {}

  const app = await createPure(PureModule);
  await app.listen();
  await eventually('handled', () => steps.length === 2);
  await app.close();
  expect(steps).toEqual(['initialised', 'early']);
});

test('beside another transport each handler belongs to its own', async () => {
  const seen: string[] = [];

  @Controller()
  class Both {
    @EventPattern<unknown>('beside', Transport.TCP)
    tcp() {
      seen.push('tcp');
    }
    @AggregateHandler('beside')
    ours(payload: string) {
      seen.push(payload);
    }
  }

  const app = await startApp({
    options: { servers: server().url, group: 'beside', topics: { beside: {} } },
    publishers: ['beside'],
    controllers: [Both],
    configure: (created) => {
      created.connectMicroservice({ transport: Transport.TCP, options: { host: '127.0.0.1', port: 0 } });
    },
  });
  await publisherOf(app, 'beside').publish({ aggregateId: 'a', type: 'T', payload: 'ours' });
  await eventually('handled', () => seen.length > 0);
  await app.close();
  expect(seen).toEqual(['ours']);
});

test('the client emits records and gives their receipts, injected or made by ClientsModule', async () => {
  const seen: string[] = [];

  @Controller()
  class Handler {
    @AggregateHandler('emitted')
    handle(payload: string) {
      seen.push(payload);
    }
  }

  const options = { servers: server().url, group: 'emitted', topics: { emitted: {} } };
  @Module({
    imports: [
      AggregateTransportModule.forRoot(inThisWay(options)),
      ClientsModule.register([{ name: 'OWN', customClass: AggregateClient, options }]),
    ],
    controllers: [Handler],
  })
  class EmittingModule {}

  const app = await NestFactory.create(EmittingModule, { logger: false, abortOnError: false });
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  await app.startAllMicroservices();
  const receipts: PublishReceipt[] = [];
  for (const token of [AggregateClient, 'OWN']) {
    const record = new AggregateRecord({ aggregateId: 'a', type: 'T', payload: String(token === 'OWN') });
    receipts.push(await lastValueFrom(app.get<AggregateClient>(token).emit('emitted', record)));
  }
  await eventually('both handled', () => seen.length === 2);
  await app.close();
  expect(receipts).toEqual([
    { topic: 'emitted', sequence: 1, duplicate: false },
    { topic: 'emitted', sequence: 2, duplicate: false },
  ]);
  expect(seen).toEqual(['false', 'true']);
});
