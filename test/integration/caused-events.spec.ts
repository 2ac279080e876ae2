import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { Ctx } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import {
  AggregateContext,
  AggregateHandler,
  type AggregatePublisher,
  AggregateServer,
  AggregateTransportModule,
  ParkedAggregates,
  type PublishReceipt,
  type StoredEvent,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { publisherOf, startApp } from '../support/app.js';
import { runCommand } from '../support/command.js';
import { inThisWay } from '../support/direct-calls.js';
import { eventually } from '../support/eventually.js';
import { serverForAll } from '../support/server.js';

// What a handler publishes through ctx.publish is stored once, whenever its cause is handled again.

/** Later than the duplicate window, so that only the aggregate's history tells. */
const LATE_MS = 130_000;
const RETRY = { attempts: 3, firstDelayMs: LATE_MS, factor: 1, jitter: 0, maxDelayMs: LATE_MS };
const invoice = (payload: unknown, aggregateId = 'invoice-1') => ({ aggregateId, type: 'Opened', payload });

let streams: TestingStreams;
const running: INestApplication[] = [];
/** What the handler does with each event. */
let handle: (ctx: AggregateContext, invoices: AggregatePublisher) => Promise<unknown>;

beforeEach(() => {
  streams = new TestingStreams();
});
afterEach(async () => {
  for (const app of running.splice(0)) await end(app);
});

function handlerOf(invoices: () => AggregatePublisher): Type {
  @Controller()
  class Orders {
    @AggregateHandler('orders', { retry: RETRY })
    async on(@Ctx() ctx: AggregateContext): Promise<void> {
      await handle(ctx, invoices());
    }
  }
  return Orders;
}

async function start(): Promise<INestApplication> {
  const controller = handlerOf(() => publisherOf(app, 'invoices'));
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot(
        inThisWay({ group: 'billing', topics: { orders: {}, invoices: {} } }),
        streams,
      ),
      AggregateTransportModule.forFeature(['orders', 'invoices']),
    ],
    controllers: [controller],
  }).compile();
  const app = module.createNestApplication({ logger: false });
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  await app.startAllMicroservices();
  running.push(app);
  return app;
}

/** Shuts an application down, also one whose handler hangs: then its lease runs out. */
async function end(app: INestApplication): Promise<void> {
  if (running.includes(app)) running.splice(running.indexOf(app), 1);
  const closed = app.close();
  await streams.advance(11_000);
  await closed;
}

const order = (app: INestApplication, id = 'order-1'): Promise<PublishReceipt> =>
  publisherOf(app, 'orders').publish({ aggregateId: id, type: 'Placed', payload: {} });
const stored = (): unknown[] => streams.events('invoices').map(({ payload }) => payload);

describe('an event that a handler publishes is stored once', () => {
  test('when its cause is tried again, later than the duplicate window and behind another event', async () => {
    const receipts: PublishReceipt[] = [];
    handle = async (ctx, invoices) => {
      receipts.push(await ctx.publish(invoices, invoice(1)));
      if (ctx.attempt < 3) throw new Error('the database is away');
    };
    const app = await start();
    await order(app);
    await streams.settle();
    await publisherOf(app, 'invoices').publish(invoice('paid'));
    await streams.advance(LATE_MS);
    await streams.advance(LATE_MS);
    expect(receipts.map(({ duplicate }) => duplicate)).toEqual([false, true, true]);
    expect(new Set(receipts.map(({ sequence }) => sequence))).toEqual(new Set([1]));
    expect(stored()).toEqual([1, 'paid']);
  });

  test('when its owner died and the next one handles the cause again; what the old one sends then is refused', async () => {
    let wake = (): void => undefined;
    const asleep = new Promise<void>((resolve) => (wake = resolve));
    let late: unknown;
    handle = async (ctx, invoices) => {
      await ctx.publish(invoices, invoice(1));
      if (ctx.fencingToken > 1) return;
      await asleep;
      late = await ctx.publish(invoices, invoice(2)).catch((error: unknown) => error);
    };
    const first = await start();
    await order(first);
    await streams.settle();
    await end(first);
    await streams.advance(LATE_MS);
    const second = await start();
    await streams.advance(10_000);
    expect(second.get(AggregateServer).partitions[0]?.counts.claims).toBe(1);
    wake();
    await streams.settle();
    expect(late).toMatchObject({ code: 'LEASE_LOST' });
    expect(stored()).toEqual([1]);
  });

  test('when its cause was parked and is handled again as a letter', async () => {
    let isFailing = true;
    handle = async (ctx, invoices) => {
      await ctx.publish(invoices, invoice(ctx.sequence));
      if (isFailing) throw new UnrecoverableError(new Error('no stock'));
    };
    const app = await start();
    await order(app);
    await order(app);
    await streams.settle();
    expect(stored()).toEqual([1]);
    await streams.advance(LATE_MS);
    isFailing = false;
    const parked = app.get(ParkedAggregates);
    const retried = parked.retry({ topic: 'orders', aggregateId: 'order-1' });
    await streams.advance(5_000);
    expect(await retried).toEqual({ outcome: 'unparked' });
    expect(stored()).toEqual([1, 2]);
  });

  test('and several of one handling keep their order and their own ids', async () => {
    handle = async (ctx, invoices) => {
      const all = [
        ctx.publish(invoices, invoice(1)),
        ctx.publish(invoices, invoice(2)),
        ctx.publish(invoices, invoice('other', 'invoice-2')),
        ctx.publish(invoices, invoice(3), { key: 'third' }),
      ];
      // The first attempt fails after two of them.
      if (ctx.attempt === 1) await Promise.all(all.slice(0, 2));
      else await Promise.all(all);
      if (ctx.attempt < 3) throw new Error('not yet');
    };
    const app = await start();
    await order(app);
    await streams.advance(LATE_MS);
    await streams.advance(LATE_MS);
    expect(stored().filter((payload) => payload !== 'other')).toEqual([1, 2, 3]);
    expect(stored()).toHaveLength(4);
    expect(new Set(streams.events('invoices').map(({ eventId }) => eventId)).size).toBe(4);
  });

  test('and in a repeat what was not stored before follows in call order', async () => {
    handle = async (ctx, invoices) => {
      await ctx.publish(invoices, invoice(1));
      if (ctx.attempt === 1) throw new Error('in the middle');
      await Promise.all([2, 3, 4].map((n) => ctx.publish(invoices, invoice(n))));
    };
    const app = await start();
    await order(app);
    await streams.advance(LATE_MS);
    expect(stored()).toEqual([1, 2, 3, 4]);
  });

  test('and another event, or a stream that is made again, is another cause', async () => {
    handle = (ctx, invoices) => ctx.publish(invoices, invoice(`${ctx.run}.${ctx.sequence}`));
    const app = await start();
    await order(app);
    await order(app);
    await streams.settle();
    streams.memoryOf('orders')?.stream.remake();
    await order(app);
    await streams.advance(10_000);
    expect(stored()).toEqual(['0.1', '0.2', '1.1']);
  });

  test('without a look at the history where no repeat is possible', async () => {
    handle = (ctx, invoices) => ctx.publish(invoices, invoice(ctx.sequence));
    const app = await start();
    let reads = 0;
    const { stream } = streams.memoryOf('invoices')!;
    const messagesOf = stream.messagesOf.bind(stream);
    stream.messagesOf = (...args) => (reads++, messagesOf(...args));
    for (let n = 0; n < 5; n++) await order(app);
    await streams.settle();
    expect([stored(), reads]).toEqual([[1, 2, 3, 4, 5], 0]);
  });
});

test('an id of its own, a key that is no text and what is no event are refused', async () => {
  const errors: unknown[] = [];
  handle = async (ctx, invoices) => {
    const calls: [event: unknown, options?: object][] = [
      [{ ...invoice(1), eventId: 'mine' }],
      [invoice(1), { key: 5 }],
      [invoice(1), { key: '' }],
      [undefined],
      [{ ...invoice(1), aggregate_id: 'a' }],
    ];
    for (const [event, options] of calls)
      errors.push(await ctx.publish(invoices, event as never, options).catch((error: unknown) => error));
  };
  const app = await start();
  await order(app);
  await streams.settle();
  expect(errors).toHaveLength(5);
  for (const error of errors) expect(error).toMatchObject({ code: 'EVENT_INVALID' });
  expect(stored()).toEqual([]);
});

describe('on a nats-server', () => {
  const server = serverForAll();

  test('a reset stores nothing again, unless `again` is set; then once per run', async () => {
    const handled: number[] = [];
    handle = async (ctx, invoices) => {
      await ctx.publish(invoices, invoice('once'));
      await ctx.publish(invoices, invoice(`run ${ctx.run}`), { key: 'run', again: true });
      handled.push(ctx.run);
    };
    const topics = { orders: { consume: { leaseTtlMs: 1_500 } }, invoices: {} };
    const service = (): Promise<INestApplication> =>
      startApp({
        options: { servers: server().url, group: 'billing', topics },
        publishers: ['orders', 'invoices'],
        controllers: [handlerOf(() => publisherOf(app, 'invoices'))],
      });
    const app = await service();
    await order(app);
    await eventually('the event is handled', () => handled.length === 1);
    const args = ['group', 'reset', 'orders', 'billing', '--to', 'start', '--yes', '--server', server().url];
    expect(await runCommand({ args })).toMatchObject({ code: 0 });
    await eventually('it is handled again', () => handled.length === 2);
    expect(handled).toEqual([0, 1]);
    const events: StoredEvent[] = [];
    for await (const event of publisherOf(app, 'invoices').read('invoice-1')) events.push(event);
    expect(events.map(({ payload }) => payload)).toEqual(['once', 'run 0', 'run 1']);
    await app.close();
  }, 60_000);
});
