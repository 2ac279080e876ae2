import { expect, test } from '@jest/globals';
import { Controller, Injectable, Module, type OnModuleInit } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { AggregateTransportModule } from '#library/nest/aggregate-transport.module.js';
import { AggregateHandler } from '#library/nest/handling/aggregate-handler.decorator.js';
import { scanApplication } from '#library/nest/documents/application-scan.js';
import { AGGREGATE_TRANSPORT } from '#library/nest/tokens.js';
import { cloudEventsCodec } from '#library/message/cloud-events/cloud-events-codec.js';
import { jsonCodec } from '#library/message/codec.js';
import { defineTopic, type } from '#library/message/shapes/define-topic.js';
import * as z from 'zod';

const orders = defineTopic<{ OrderPlaced: { id: string }; OrderPaid: { id: string } }>('orders');
const ran: string[] = [];

@Injectable()
class Database implements OnModuleInit {
  constructor() {
    ran.push('constructor');
  }
  onModuleInit() {
    ran.push('hook');
  }
}

@Controller()
class Billing {
  constructor(private readonly database: Database) {
    ran.push('controller');
  }
  @AggregateHandler(orders, { type: ['OrderPlaced', 'OrderPaid'] })
  both(): void {
    ran.push(this.database.constructor.name);
  }
  @AggregateHandler('audit', { group: 'auditors' })
  all(): void {
    // Takes every type.
  }
  @EventPattern('bare', AGGREGATE_TRANSPORT)
  bare(event: unknown): void {
    ran.push(String(event));
  }
  @EventPattern('elsewhere')
  other(event: unknown): void {
    ran.push(String(event));
  }
}

const FACTORY = {
  provide: 'POOL',
  useFactory: () => {
    ran.push('factory');
    return {};
  },
};

test('tells topics, types, groups, publishers and formats, and runs nothing of the application', async () => {
  const codec = cloudEventsCodec({ source: '/a', mode: 'binary' });
  const own = { encode: () => new Uint8Array(), decode: () => ({}) };
  @Module({
    imports: [
      AggregateTransportModule.forRoot({
        servers: 'nats://127.0.0.1:1',
        group: 'billing',
        topics: { orders: {}, audit: { codec }, bare: { codec: own }, unused: { codec: jsonCodec } },
      }),
      AggregateTransportModule.forFeature([orders]),
    ],
    controllers: [Billing],
    providers: [Database, FACTORY],
  })
  class AppModule {}

  const { topics, hasOptions } = await scanApplication(AppModule, { group: 'not asked' });
  const none = { types: [], isComplete: false, isPublished: false, groups: [] };
  const named = (type: string) => ({ type, version: undefined, schema: undefined });
  expect(hasOptions).toBe(true);
  expect(topics).toEqual([
    {
      ...{ name: 'orders', isComplete: false, isPublished: true, format: 'json' },
      types: [named('OrderPlaced'), named('OrderPaid')],
      groups: [
        { group: 'billing', types: ['OrderPlaced', 'OrderPaid'], others: false, handlers: ['Billing.both'] },
      ],
    },
    {
      ...{ ...none, name: 'audit', format: 'cloudevents-binary' },
      groups: [{ group: 'auditors', types: [], others: true, handlers: ['Billing.all'] }],
    },
    {
      ...{ ...none, name: 'bare', format: 'other' },
      groups: [{ group: 'billing', types: [], others: true, handlers: ['Billing.bare'] }],
    },
    { ...none, name: 'unused', format: 'json' },
  ]);
  expect(ran).toEqual([]);
});

test('without readable options tells what handlers and publishers say, in the group it is given', async () => {
  @Module({
    imports: [
      AggregateTransportModule.forRootAsync({
        useFactory: () => {
          ran.push('options');
          return { topics: {} };
        },
      }),
      AggregateTransportModule.forFeature(['sent']),
    ],
    controllers: [Billing],
    providers: [Database],
  })
  class AppModule {}

  const { topics, hasOptions } = await scanApplication(AppModule, { group: 'given' });
  expect(hasOptions).toBe(false);
  expect(topics.map(({ name, groups }) => [name, groups.map(({ group }) => group)])).toEqual([
    ['orders', ['given']],
    ['audit', ['auditors']],
    ['bare', ['given']],
    ['sent', []],
  ]);
  expect(ran).toEqual([]);
});

test('modules that do not fit together are an error with the reason of Nest', async () => {
  @Module({ imports: [undefined as never] })
  class AppModule {}

  await expect(scanApplication(AppModule, { group: undefined })).rejects.toMatchObject({
    code: 'OPTIONS_INVALID',
    message: expect.stringMatching(/AppModule/),
    cause: expect.anything(),
  });
});

test('takes types, versions and schemas from the definition of a topic that is published', async () => {
  const schema = z.object({ id: z.string() });
  const shaped = defineTopic('shaped', { Opened: { version: 1, schema }, Closed: type<{ id: string }>() });
  @Module({
    imports: [
      AggregateTransportModule.forRoot({ topics: { shaped: {} } }),
      AggregateTransportModule.forFeature([shaped]),
    ],
  })
  class AppModule {}

  const { topics } = await scanApplication(AppModule, { group: undefined });
  expect(topics).toMatchObject([
    {
      ...{ name: 'shaped', isComplete: true, isPublished: true },
      types: [
        { type: 'Opened', version: 1 },
        { type: 'Closed', version: undefined, schema: undefined },
      ],
    },
  ]);
  expect(topics[0]?.types[0]?.schema).toBe(schema);
});
