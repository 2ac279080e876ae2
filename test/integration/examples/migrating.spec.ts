import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Payload } from '@nestjs/microservices';
import { connect, type NatsConnection } from 'nats';
import {
  AggregateHandler,
  AggregateId,
  type AggregatePublisher,
  AggregateServer,
} from 'nestjs-aggregate-transport';
import ts from 'typescript';
import { bridge, type OldBatch } from '../../../docs/examples/migrating/bridge.js';
import { batchesOf } from '../../../docs/examples/migrating/jetstream-bridge.js';
import { publisherOf, startApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

/** docs/migrating: what is after the move runs, what was before it is parsed, and the bridge keeps the order. */

const server = serverForAll();
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

test('the code after the move runs', async () => {
  process.env['NATS_URL'] = server().url;
  const { AppModule, Orders, charges } =
    (await import('../../../docs/examples/migrating/nest-nats.after.js')) as {
      AppModule: Type;
      Orders: Type<{ pay(order: string, cents: number): Promise<void> }>;
      charges: string[];
    };
  const app = await NestFactory.create(AppModule, { logger: false });
  closers.push(() => app.close());
  app.connectMicroservice({ strategy: app.get(AggregateServer) }, { inheritAppConfig: true });
  await app.init();
  await app.startAllMicroservices();
  await app.get(Orders).pay('order-7', 250);
  await eventually('the charge', () => charges.length > 0);
  expect(charges).toEqual(['order-7 250']);
});

const FOLDER = 'docs/examples/migrating';

test.each(readdirSync(FOLDER).filter((file) => file.endsWith('.ts.txt')))('%s parses', (file) => {
  const { diagnostics } = ts.transpileModule(readFileSync(join(FOLDER, file), 'utf8'), {
    reportDiagnostics: true,
    compilerOptions: {
      experimentalDecorators: true,
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
    },
  });
  expect(diagnostics?.map(({ messageText }) => messageText)).toEqual([]);
});

interface OldEvent {
  readonly n: number;
}

const KEYS = ['a', 'b', 'größe c'];

/** An old stream whose subjects are `<stream>.<key>`, with all that a move needs. */
async function move(stream: string) {
  const nats: NatsConnection = await connect({ servers: server().url });
  closers.push(() => nats.close());
  const manager = await nats.jetstreamManager();
  await manager.streams.add({ name: stream, subjects: [`${stream}.*`] });
  const jetstream = nats.jetstream();
  const folder = mkdtempSync(join(tmpdir(), 'move-'));
  closers.push(() => rmSync(folder, { recursive: true }));
  const placeFile = join(folder, 'place');
  const eventOf = (_subject: string, payload: unknown) => ({
    aggregateId: KEYS[(payload as OldEvent).n % KEYS.length]!,
    type: 'Moved',
  });
  return {
    placeFile,
    publish: async (from: number, through: number) => {
      for (let n = from; n <= through; n++)
        await jetstream.publish(`${stream}.key`, JSON.stringify({ n } satisfies OldEvent));
    },
    batches: (until: number) => batchesOf({ jetstream, stream, placeFile, until, eventOf }),
  };
}

async function newTopic(topic: string): Promise<AggregatePublisher> {
  const app = await startApp({
    options: { servers: server().url, topics: { [topic]: {} } },
    publishers: [topic],
  });
  closers.push(() => app.close());
  return publisherOf(app, topic);
}

async function historyOf(publisher: AggregatePublisher): Promise<number[][]> {
  return Promise.all(
    KEYS.map(async (key) => {
      const found: number[] = [];
      for await (const { payload } of publisher.read(key)) found.push((payload as OldEvent).n);
      return found;
    }),
  );
}

function expectedOf(from: number, through: number): number[][] {
  return KEYS.map((_, key) =>
    Array.from({ length: through - from + 1 }, (__, index) => from + index).filter(
      (n) => n % KEYS.length === key,
    ),
  );
}

/** Dies after a batch was stored and before that was written down, as a killed process may. */
async function* dying(batches: AsyncIterable<OldBatch>): AsyncGenerator<OldBatch> {
  for await (const { events } of batches)
    yield { events, settle: () => Promise.reject(new Error('died before it wrote its place down')) };
}

test('a bridge that dies after a batch is stored copies every event once, in order, and sends none again', async () => {
  const old = await move('legacy');
  const publisher = await newTopic('moved');
  await old.publish(1, 700);
  await expect(bridge(publisher, dying(old.batches(700)))).rejects.toThrow('died before');
  expect(existsSync(old.placeFile)).toBe(false);
  const stored = publisher.published;
  expect(stored).toBeGreaterThan(0);
  await bridge(publisher, old.batches(700));
  expect(publisher.published).toBe(700); // what was stored already is not sent again, so no window matters
  expect(await historyOf(publisher)).toEqual(expectedOf(1, 700));
  expect(readFileSync(old.placeFile, 'utf8')).toBe('700');
});

test('consumers are switched at a place: the new group begins after it, without a gap and without a repeat', async () => {
  const old = await move('before');
  const publisher = await newTopic('after');
  await old.publish(1, 100);
  await bridge(publisher, old.batches(60));
  await old.publish(101, 130); // publishers do not stop for this
  const place = 110; // the old consumer ended here, with nothing in its hands
  await bridge(publisher, old.batches(place));

  const handled: Record<string, number[]> = {};
  @Controller()
  class Handler {
    @AggregateHandler('after')
    on(@Payload() { n }: OldEvent, @AggregateId() id: string) {
      (handled[id] ??= []).push(n);
    }
  }
  const app: INestApplication = await startApp({
    options: { servers: server().url, group: 'new', topics: { after: { consume: { startAt: 'new' } } } },
    controllers: [Handler],
  });
  closers.push(() => app.close());
  await bridge(publisher, old.batches(130));
  await eventually('the rest', () => Object.values(handled).flat().length >= 20);
  expect(KEYS.map((key) => handled[key])).toEqual(expectedOf(place + 1, 130));
});
