import { afterEach, describe, expect, test } from '@jest/globals';
import { Controller, type INestApplication, type Type } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import {
  type AggregateBatch,
  AggregateContext,
  AggregateHandler,
  AggregateHealthIndicator,
  type AggregatePublisher,
  AggregateServer,
  AggregateTransportModule,
  AggregateTransportStatus,
  type ConsumeOptions,
  defineTopic,
  getAggregatePublisherToken,
  InjectAggregatePublisher,
  ParkedAggregates,
  type PublisherOf,
  type TopicRef,
  type VersionNewerError,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { z } from 'zod';

const LONGEST_WAIT_MS = 30_000;
const apps: INestApplication[] = [];

afterEach(async () => {
  for (const app of apps.splice(0).reverse()) await app.close();
});

/** What a newer release knows beside what an older one does. */
function ordersIn(version: number, isLater = false) {
  const upcast = {
    1: (old: { line: string }) => ({ lines: [old.line] }),
    2: (old: { lines: string[] }) => (isLater ? Promise.resolve(old) : old),
    3: (old: { lines: string[] }) => old,
  };
  const known = Object.fromEntries(Object.entries(upcast).filter(([from]) => Number(from) < version));
  const schema = z.object({
    lines: z.array(z.string()),
    placedOn: z.iso
      .date()
      .default('2026-01-01')
      .transform((text) => new Date(text)),
  });
  return defineTopic('orders', { Placed: { version, schema, upcast: known } });
}

interface Service {
  readonly app: INestApplication;
  readonly publisher: AggregatePublisher;
}

async function serve(
  streams: TestingStreams,
  controllers: Type[],
  { topic = 'orders', consume = {} }: { topic?: TopicRef; consume?: ConsumeOptions } = {},
): Promise<Service> {
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot({ group: 'shop', consume, topics: { orders: {} } }, streams),
      AggregateTransportModule.forFeature([topic]),
    ],
    controllers,
  }).compile();
  const app = module.createNestApplication({ logger: false });
  apps.push(app);
  if (controllers.length > 0) app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.init();
  if (controllers.length > 0) await app.startAllMicroservices();
  return { app, publisher: app.get(getAggregatePublisherToken('orders')) };
}

interface Seen {
  readonly n: number;
  readonly lines: readonly string[];
  readonly day: number;
  readonly version: number;
  readonly attempt: number;
}

/** A controller that notes what it gets, and fails as often as it is told. */
function handlerOf(topic: ReturnType<typeof ordersIn>, seen: Seen[], fails = { times: 0 }): Type {
  @Controller()
  class Handler {
    @AggregateHandler(topic, { type: 'Placed' })
    placed(
      @Payload() { lines, placedOn }: { lines: string[]; placedOn: Date },
      @Ctx() { sequence: n, version, attempt }: AggregateContext,
    ): void {
      seen.push({ n, lines: [...lines], day: placedOn.getTime(), version, attempt });
      // What one attempt does to its payload must not make the next one fail.
      if (fails.times-- > 0) throw new Error('no stock');
    }
  }
  return Handler;
}

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const one of source) found.push(one);
  return found;
}

const placed = (aggregateId: string, version: number, payload: unknown) => ({
  ...{ aggregateId, type: 'Placed', version, payload },
});

describe.each([false, true])('with upcasters that answer later: %p', (isLater) => {
  test('handlers get the output in the declared version, in order, however the event is tried', async () => {
    const streams = new TestingStreams();
    const seen: Seen[] = [];
    const fails = { times: 1 };
    await serve(streams, [handlerOf(ordersIn(3, isLater), seen, fails)], {
      consume: { onExhausted: 'park' },
    });
    const { publisher } = await serve(streams, []);
    await publisher.publish(placed('a', 1, { line: 'x' }));
    await publisher.publish(placed('a', 3, { lines: ['y'], placedOn: '2026-02-01' }));
    await publisher.publish(placed('a', 2, { lines: ['z'] }));
    await streams.advance(1_000);
    await streams.untilHandled('orders');
    const day = Date.parse('2026-01-01');
    expect(seen).toEqual([
      { n: 1, lines: ['x'], day, version: 3, attempt: 1 },
      { n: 1, lines: ['x'], day, version: 3, attempt: 2 },
      { n: 2, lines: ['y'], day: Date.parse('2026-02-01'), version: 3, attempt: 1 },
      { n: 3, lines: ['z'], day, version: 3, attempt: 1 },
    ]);
  });

  test('a payload that its shape refuses parks at once, with the issues and no value; a retry runs the shapes again', async () => {
    const streams = new TestingStreams();
    const seen: Seen[] = [];
    const { app } = await serve(streams, [handlerOf(ordersIn(3, isLater), seen)]);
    const { publisher } = await serve(streams, []);
    await publisher.publish(placed('a', 2, { lines: ['SECRET', 7] }));
    await publisher.publish(placed('a', 1, { line: 'x' }));
    await publisher.publish(placed('b', 1, { line: 'y' }));
    await streams.untilHandled('orders');
    expect(seen.map(({ lines }) => lines)).toEqual([['y']]);
    const address = { topic: 'orders', aggregateId: 'a' };
    const parked = app.get(ParkedAggregates);
    const [first] = await all(parked.letters(address));
    expect(first).toMatchObject({ reason: 'REJECTED', attempts: 1 });
    expect(first!.error).toMatch(
      /^PAYLOAD_INVALID: .* "Placed", version 2, .*payload\.lines\[1\]: Invalid input/,
    );
    expect(first!.error).not.toContain('SECRET');
    const results = app.get(AggregateServer).partitions[0]!.counts.failedIn;
    expect(results).toMatchObject({ shape: 1, handler: 0 });

    // The culprit is dropped; the event behind it is a letter of version 1.
    const skipped = parked.skipHead(address);
    await streams.advance(1_000);
    await skipped;
    const retried = parked.retry(address);
    await streams.advance(1_000);
    await retried;
    expect(seen.map(({ lines, version }) => [lines, version])).toEqual([
      [['y'], 3],
      [['x'], 3],
    ]);
  });
});

test('in a batch each event has its shape, and only the culprit is parked', async () => {
  const streams = new TestingStreams();
  const orders = ordersIn(2, true);
  const calls: string[][] = [];

  @Controller()
  class Handler {
    @AggregateHandler(orders, { type: 'Placed', batch: 10 })
    apply(events: AggregateBatch<typeof orders>): void {
      calls.push(events.map(({ payload, context }) => `${payload.lines.join('')}${context.version}`));
    }
  }
  const { publisher } = await serve(streams, []);
  for (const line of ['a', 'b', 'c']) await publisher.publish(placed('a', 1, { line }));
  await publisher.publish(placed('a', 1, { line: 5 }));
  await publisher.publish(placed('a', 1, { line: 'e' }));
  const { app } = await serve(streams, [Handler]);
  await streams.advance(1_000);
  await streams.untilHandled('orders');
  // The call of all five fails with one of them, so each is tried alone.
  expect(calls).toEqual([['a2'], ['b2'], ['c2']]);
  const [parked] = await app.get(ParkedAggregates).list({ topic: 'orders' });
  expect(parked).toMatchObject({ aggregateId: 'a', reason: 'REJECTED' });
});

describe('an event of a newer version', () => {
  test('blocks its aggregate alone: nothing is parked or passed over, and health and status name it', async () => {
    const streams = new TestingStreams();
    const seen: Seen[] = [];
    const { app } = await serve(streams, [handlerOf(ordersIn(2), seen)]);
    const { publisher } = await serve(streams, []);
    await publisher.publish(placed('a', 1, { line: 'x' }));
    await publisher.publish(placed('a', 3, { lines: ['new'] }));
    await publisher.publish(placed('a', 1, { line: 'after' }));
    await publisher.publish(placed('b', 2, { lines: ['y'] }));
    await streams.advance(3 * LONGEST_WAIT_MS);
    expect(seen.map(({ lines }) => lines)).toEqual([['x'], ['y']]);
    expect(await app.get(ParkedAggregates).list({ topic: 'orders' })).toEqual([]);

    const { problems } = await app.get(AggregateTransportStatus).snapshot();
    expect(problems.map(({ code }) => code)).toEqual(['newer-version']);
    const [problem] = problems;
    expect(problem!.why).toMatch(
      /1 aggregate is blocked until a newer release .* in version 2 at most, found version 3/,
    );
    const health = app.get(AggregateHealthIndicator);
    expect(await health.isReady('events')).toMatchObject({ events: { status: 'up' } });
    const status = await app.get(AggregateTransportStatus).snapshot();
    const [slowest] = status.topics[0]!.groups[0]!.slowest;
    expect(slowest).toMatchObject({
      ...{ aggregateId: 'a', sequence: 2, state: 'waiting' },
      lastFailure: { stage: 'shape', outcome: 'block', error: expect.stringMatching(/^VERSION_NEWER: /) },
    });
    // It says nothing about handlers, so neither the breaker nor readiness counts it.
    expect(app.get(AggregateServer).partitions[0]!.consumer.load.attempts.failed).toBe(0);
  });

  test('is handled, before those behind it, when a replica that knows it takes the partition', async () => {
    const streams = new TestingStreams();
    const old: Seen[] = [];
    const young: Seen[] = [];
    const before = await serve(streams, [handlerOf(ordersIn(2), old)]);
    const { publisher } = await serve(streams, []);
    await publisher.publish(placed('a', 3, { lines: ['new'] }));
    await publisher.publish(placed('a', 1, { line: 'after' }));
    await streams.settle();
    await serve(streams, [handlerOf(ordersIn(3), young)]);
    await streams.advance(LONGEST_WAIT_MS);
    expect(young).toEqual([]);
    const closed = before.app.close();
    await streams.advance(10_000);
    await closed;
    await streams.untilHandled('orders');
    expect(old).toEqual([]);
    expect(young.map(({ lines, version }) => [lines, version])).toEqual([
      [['new'], 3],
      [['after'], 3],
    ]);
  });

  test('ends a batch before it', async () => {
    const streams = new TestingStreams();
    const orders = ordersIn(2);
    const calls: number[] = [];

    @Controller()
    class Handler {
      @AggregateHandler(orders, { type: 'Placed', batch: 10 })
      apply(events: AggregateBatch<typeof orders>): void {
        calls.push(events.length);
      }
    }
    const { publisher } = await serve(streams, []);
    for (const version of [2, 2, 2, 3, 2]) await publisher.publish(placed('a', version, { lines: ['x'] }));
    await serve(streams, [Handler]);
    await streams.advance(LONGEST_WAIT_MS);
    expect(calls).toEqual([3]);
  });

  test('that is a letter stays one when a replica that does not know it retries it', async () => {
    const streams = new TestingStreams();
    const seen: Seen[] = [];
    const fails = { times: 100 };
    const { app } = await serve(streams, [handlerOf(ordersIn(2), seen, fails)], {
      consume: { retry: { attempts: 1 } },
    });
    const { publisher } = await serve(streams, []);
    await publisher.publish(placed('a', 1, { line: 'x' }));
    await publisher.publish(placed('a', 3, { lines: ['new'] }));
    await streams.untilHandled('orders');
    fails.times = 0;
    const address = { topic: 'orders', aggregateId: 'a' };
    const retried = app.get(ParkedAggregates).retry(address);
    await streams.advance(1_000);
    const error = expect.stringMatching(/^VERSION_NEWER: .* version 2 at most, found version 3/);
    expect(await retried).toEqual({ outcome: 'failed', error });
    expect(await all(app.get(ParkedAggregates).letters(address))).toHaveLength(1);
  });

  test('stops a read where it stands', async () => {
    const streams = new TestingStreams();
    const { publisher: bare } = await serve(streams, []);
    await bare.publish(placed('a', 1, { line: 'x' }));
    await bare.publish(placed('a', 4, { lines: ['new'] }));
    const { publisher } = await serve(streams, [], { topic: ordersIn(3) });
    const read: unknown[] = [];
    const reading = async (): Promise<void> => {
      for await (const { payload, version } of publisher.read('a')) read.push([payload, version]);
    };
    const error = (await reading().catch((found: unknown) => found)) as VersionNewerError;
    expect(error.code).toBe('VERSION_NEWER');
    expect(read).toEqual([[{ lines: ['x'], placedOn: new Date('2026-01-01') }, 3]]);
  });
});

test('a type that the definition does not name follows consume.onUnhandledType, or its handler, as it came', async () => {
  const streams = new TestingStreams();
  const seen: unknown[] = [];

  @Controller()
  class Handler {
    @AggregateHandler('orders')
    any(@Payload() payload: unknown, @Ctx() { version }: AggregateContext): void {
      seen.push([payload, version]);
    }
  }
  await serve(streams, [handlerOf(ordersIn(3), []), Handler]);
  const { publisher } = await serve(streams, []);
  await publisher.publish({ aggregateId: 'a', type: 'Lost', version: 9, payload: 5 });
  await streams.untilHandled('orders');
  expect(seen).toEqual([[5, 9]]);
});

test('ctx.publish checks what it publishes, too', async () => {
  const streams = new TestingStreams();
  const orders = ordersIn(3);
  const codes: unknown[] = [];

  @Controller()
  class Handler {
    constructor(@InjectAggregatePublisher(orders) private readonly publisher: PublisherOf<typeof orders>) {}

    @AggregateHandler('orders', { type: 'Go' })
    async go(@Payload() lines: never, @Ctx() ctx: AggregateContext): Promise<void> {
      const event = { aggregateId: 'b', type: 'Placed', payload: { lines } } as const;
      await ctx
        .publish(this.publisher, event)
        .catch((error: unknown) => codes.push((error as { code: string }).code));
    }
  }
  await serve(streams, [Handler], { topic: orders });
  const { publisher: bare } = await serve(streams, []);
  await bare.publish({ aggregateId: 'a', type: 'Go', payload: [5] });
  await bare.publish({ aggregateId: 'a', type: 'Go', payload: ['x'] });
  await streams.untilHandled('orders');
  expect(codes).toEqual(['EVENT_INVALID']);
  expect(streams.events(orders).at(-1)).toMatchObject({
    type: 'Placed',
    version: 3,
    payload: { lines: ['x'] },
  });
});
