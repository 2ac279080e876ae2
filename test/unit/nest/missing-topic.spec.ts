import { afterEach, describe, expect, test } from '@jest/globals';
import * as nestCommon from '@nestjs/common';
import * as nestMicroservices from '@nestjs/microservices';
import { Controller, type INestApplication } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import * as library from 'nestjs-aggregate-transport';
import {
  AGGREGATE_TRANSPORT,
  AggregateClient,
  AggregateHandler,
  AggregateRecord,
  AggregateServer,
  AggregateTransportError,
  AggregateTransportModule,
  defineTopic,
  getAggregatePublisherToken,
  InjectAggregatePublisher,
  ParkedAggregates,
  partitionFilter,
  subjectOf,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { lastValueFrom } from 'rxjs';
import ts from 'typescript';
import { errorOf } from '../message/code-of.js';

const open: INestApplication[] = [];

afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

class Silent {
  readonly lines: string[] = [];
  log(): void {
    // Starting and stopping are no matter here.
  }
  warn(): void {
    // As above.
  }
  error(text: string): void {
    this.lines.push(text);
  }
}

/** A started application on streams in memory. */
async function application(controllers: (new () => object)[], log = new Silent()): Promise<INestApplication> {
  const module = await Test.createTestingModule({
    imports: [AggregateTransportTestingModule.forRoot({ group: 'shop', topics: { orders: {} } })],
    controllers,
  }).compile();
  const app = module.createNestApplication({ logger: log });
  open.push(app);
  if (controllers.length > 0) app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  if (controllers.length > 0) await app.startAllMicroservices();
  return app;
}

async function rejection(run: () => Promise<unknown>): Promise<AggregateTransportError> {
  const error = await run().then(
    () => undefined,
    (found: unknown) => found,
  );
  expect(error).toBeInstanceOf(AggregateTransportError);
  return error as AggregateTransportError;
}

/** Files as a CommonJS compiler leaves them, with what `require` gives on a cycle: the exports that exist by then. */
function runCommonJs(files: Readonly<Record<string, string>>, entry: string): void {
  const packages: Readonly<Record<string, unknown>> = {
    'nestjs-aggregate-transport': library,
    '@nestjs/common': nestCommon,
    '@nestjs/microservices': nestMicroservices,
  };
  const loaded = new Map<string, { exports: object }>();
  const load = (name: string): unknown => {
    const found = packages[name] ?? loaded.get(name)?.exports;
    if (found !== undefined) return found;
    const file = { exports: {} };
    loaded.set(name, file);
    const { outputText } = ts.transpileModule(files[name]!, {
      compilerOptions: {
        ...{ module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 },
        ...{ experimentalDecorators: true, emitDecoratorMetadata: true },
      },
    });
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- what require() does
    const run = new Function('require', 'exports', 'module', outputText) as (...args: unknown[]) => void;
    run(load, file.exports, file);
    return file.exports;
  };
  load(entry);
}

/** `orders` is defined by a file that first imports the file which needs it. */
const TOPIC_FILE = `
  import { defineTopic } from 'nestjs-aggregate-transport';
  import './user';
  export const orders = defineTopic('orders');`;

describe('a topic that a circular import leaves undefined', () => {
  test.each([
    [
      '@AggregateHandler',
      `import { Controller } from '@nestjs/common';
       import { AggregateHandler } from 'nestjs-aggregate-transport';
       import { orders } from './topic';
       @Controller() export class User { @AggregateHandler(orders, { type: 'A' }) handle() {} }`,
    ],
    [
      '@InjectAggregatePublisher',
      `import { Injectable } from '@nestjs/common';
       import { InjectAggregatePublisher } from 'nestjs-aggregate-transport';
       import { orders } from './topic';
       @Injectable() export class User { constructor(@InjectAggregatePublisher(orders) readonly publisher: object) {} }`,
    ],
    [
      'AggregateTransportModule.forFeature',
      `import { Module } from '@nestjs/common';
       import { AggregateTransportModule } from 'nestjs-aggregate-transport';
       import { orders } from './topic';
       @Module({ imports: [AggregateTransportModule.forFeature([orders])] }) export class User {}`,
    ],
  ])('is named when the file is loaded: %s', (place, user) => {
    const files = { './topic': TOPIC_FILE, './user': user };
    const error = errorOf(() => runCommonJs(files, './topic'));
    expect(error.code).toBe('OPTIONS_INVALID');
    expect(error.message).toContain(`expected ${place} to be given a topic or its name, found undefined`);
    expect(error.message).toMatch(/circular import\?.* keep defineTopic in a file/);
  });

  test('is named at start-up by a bare @EventPattern', async () => {
    @Controller()
    class Handler {
      @EventPattern<unknown>(undefined, AGGREGATE_TRANSPORT)
      handle(): void {
        // Never called.
      }
    }
    const error = await rejection(() => application([Handler]));
    expect(error.code).toBe('OPTIONS_INVALID');
    expect(error.message).toMatch(
      /expected @EventPattern on Handler\.handle .*found undefined; circular import\?/,
    );
  });
});

describe('what is no topic', () => {
  const places: [string, (topic: never) => unknown][] = [
    ['@AggregateHandler', (topic) => AggregateHandler(topic)],
    ['@InjectAggregatePublisher', (topic) => InjectAggregatePublisher(topic)],
    ['getAggregatePublisherToken', (topic) => getAggregatePublisherToken(topic)],
    ['AggregateTransportModule.forFeature', (topic) => AggregateTransportModule.forFeature([topic])],
    ['TestingStreams.events', (topic) => new TestingStreams().events(topic)],
    ['defineTopic', (topic) => defineTopic(topic)],
    ['partitionFilter', (topic) => partitionFilter(topic, 0, 1)],
    ['subjectOf', (topic) => subjectOf(topic, 'a')],
  ];
  const values: unknown[] = [undefined, null, 5, {}];

  test.each(places.flatMap(([place, call]) => values.map((value) => ({ place, value, call }))))(
    '$place names itself and what it was given: $value',
    ({ call, value, place }) => {
      const error = errorOf(() => call(value as never));
      expect(error.code).toBe('OPTIONS_INVALID');
      expect(error.message).toContain(`expected ${place} to be given a`);
      expect(error.message.includes('circular import?')).toBe(value === undefined);
    },
  );

  test('a list for forFeature', () => {
    for (const topics of [undefined, defineTopic('orders'), 'orders']) {
      const error = errorOf(() => AggregateTransportModule.forFeature(topics as never));
      expect(error.code).toBe('OPTIONS_INVALID');
      expect(error.message).toMatch(
        /expected AggregateTransportModule.forFeature to be given a list of topics/,
      );
    }
  });

  test('the client refuses through its Observable, and logs where no one listens', async () => {
    const log = new Silent();
    const app = await application([], log);
    const client = app.get(AggregateClient);
    const record = new AggregateRecord({ aggregateId: 'a', type: 'A', payload: 1 });
    const error = await rejection(() => lastValueFrom(client.emit(undefined as never, record)));
    expect(error.code).toBe('OPTIONS_INVALID');
    expect(error.message).toMatch(/expected AggregateClient.emit to be given a topic.*circular import\?/);
    client.emit(undefined as never, record);
    await app.get(TestingStreams).settle();
    expect(log.lines.filter((line) => line.includes('circular import?'))).toHaveLength(1);
  });

  test('commands for parked aggregates', async () => {
    const parked = (await application([])).get(ParkedAggregates);
    const error = await rejection(() => parked.list({ topic: undefined as never }));
    expect(error.code).toBe('OPTIONS_INVALID');
    expect(error.message).toMatch(/expected ParkedAggregates to be given a topic.*circular import\?/);
  });
});
