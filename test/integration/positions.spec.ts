import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { connect, type NatsConnection } from 'nats';
import {
  AggregateContext,
  AggregateHandler,
  AggregateHealthIndicator,
  AggregateServer,
  type AggregateTransportOptions,
  ParkedAggregates,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import type { PositionRecord } from '#library/records/position-record.js';
import { publisherOf, startApp } from '../support/app.js';
import { CapturedLog } from '../support/captured-log.js';
import { eventually } from '../support/eventually.js';
import { fairClockForAll } from '../support/fair-clock.js';
import { serverForAll } from '../support/server.js';
import { TcpProxy } from '../support/tcp-proxy.js';

// What the promises of positions look like to a service: nothing is repeated where nothing died, and nothing is lost.

const server = serverForAll();
const clock = fairClockForAll();
const LEASE_TTL_MS = 2_000;
const LEASES = 'KV_aggregate-transport';

let nats: NatsConnection;
const open: { close(): Promise<unknown> }[] = [];

beforeEach(async () => {
  nats = await connect({ servers: server().url });
});
afterEach(async () => {
  for (const opened of open.splice(0).reverse()) await opened.close();
  await nats.close();
});

/** How often each reader was made, and how long that took, in milliseconds. */
function meterOfReaders() {
  const readers: { cause: string; ms: number }[] = [];
  const ignored = { addCallback: () => undefined, removeCallback: () => undefined };
  const meter = {
    createHistogram: (name: string) => ({
      record: (seconds: number, attributes: Readonly<Record<string, string>>) => {
        if (name !== 'aggregate_transport.reader.duration') return;
        readers.push({ cause: attributes['aggregate_transport.reader.cause']!, ms: seconds * 1_000 });
      },
    }),
    createObservableCounter: () => ignored,
    createObservableGauge: () => ignored,
  };
  return { readers, meter };
}

interface World {
  readonly topic: string;
  /** `aggregate n` of each event that was handled, by all applications. */
  readonly handled: string[];
  readonly contexts: AggregateContext[];
  readonly failing: Set<string>;
  readonly log: CapturedLog;
  /** Starts an application with a handler, in this group. */
  start(options?: Partial<AggregateTransportOptions>): Promise<INestApplication>;
  publish(aggregateId: string, ...numbers: number[]): Promise<void>;
}

async function worldOf(topic: string): Promise<World> {
  const handled: string[] = [];
  const contexts: AggregateContext[] = [];
  const failing = new Set<string>();
  const log = new CapturedLog();

  @Controller()
  class Handler {
    @AggregateHandler(topic)
    handle(@Payload() { n }: { n: number }, @Ctx() ctx: AggregateContext): void {
      if (failing.has(ctx.aggregateId)) throw new UnrecoverableError(new Error('no stock'));
      handled.push(`${ctx.aggregateId} ${n}`);
      contexts.push(ctx);
    }
  }

  const publishing = await startApp({
    options: { servers: server().url, topics: { [topic]: {} } },
    publishers: [topic],
  });
  open.push(publishing);
  const publisher = publisherOf(publishing, topic);
  return {
    ...{ topic, handled, contexts, failing, log },
    async start(options = {}) {
      const app = await startApp({
        options: {
          servers: server().url,
          group: 'shop',
          topics: { [topic]: { consume: { leaseTtlMs: LEASE_TTL_MS } } },
          ...options,
        },
        controllers: [Handler],
        logger: log,
      });
      open.push(app);
      return app;
    },
    async publish(aggregateId, ...numbers) {
      for (const n of numbers) await publisher.publish({ aggregateId, type: 'Counted', payload: { n } });
    },
  };
}

/** Ends an application before the test does. */
async function end(app: INestApplication): Promise<void> {
  open.splice(open.indexOf(app), 1);
  await app.close();
}

function numbers(from: number, through: number): number[] {
  return Array.from({ length: through - from + 1 }, (_, index) => from + index);
}

function of(aggregateId: string, values: readonly number[]): string[] {
  return values.map((n) => `${aggregateId} ${n}`);
}

/** Undefined while its key is deleted or gone. */
async function positionOf(topic: string): Promise<PositionRecord | undefined> {
  const { streams } = await nats.jetstreamManager();
  const stored = await streams
    .getMessage(`${topic}_positions`, { last_by_subj: positionKeyOf(topic) })
    .catch(() => undefined);
  return stored === undefined || stored.data.length === 0 ? undefined : stored.json<PositionRecord>();
}

function positionKeyOf(topic: string): string {
  return `$KV.${topic}_positions.shop.0.1.0`;
}

function partitionOf(app: INestApplication) {
  return app.get(AggregateServer).partitions[0]!;
}

async function untilRunning(app: INestApplication): Promise<void> {
  await eventually('a partition that reads', () => partitionOf(app).consumer.mode === 'running');
}

test('a reconnect repeats no event, and the next reader reads within a second', async () => {
  const proxy = await TcpProxy.listen(server().port);
  open.push(proxy);
  const world = await worldOf('cut');
  const { readers, meter } = meterOfReaders();
  const app = await world.start({ servers: proxy.url, metrics: { meter } });
  const share = clock().shareFromNow();
  let published = 0;
  for (let cut = 1; cut <= 3; cut++) {
    const more = numbers(published + 1, published + 100);
    published += more.length;
    const publishing = world.publish('one', ...more);
    await eventually('some are handled', () => world.handled.length > published - 50);
    proxy.cut();
    await publishing;
    await eventually('all are handled', () => world.handled.length >= published);
    await eventually(
      `reader ${cut} after a reconnect`,
      () => readers.filter(({ cause }) => cause === 'reconnect').length === cut,
    );
  }
  const shareOfTime = share();
  await end(app);
  expect(world.handled).toEqual(of('one', numbers(1, 300)));
  expect(shareOfTime * Math.max(...readers.map(({ ms }) => ms))).toBeLessThan(1_000);
}, 60_000);

test('a graceful shutdown releases at once, and the next owner repeats no event', async () => {
  const world = await worldOf('handed');
  let app = await world.start();
  await world.publish('one', ...numbers(1, 50));
  for (let round = 1; round <= 3; round++) {
    await eventually('some are handled', () => world.handled.length > 50 * (round - 1));
    await end(app);
    expect(await positionOf('handed')).toMatchObject({ rest: true, deaths: 0, unsettled: '' });
    const startedAt = clock().now();
    app = await world.start();
    await untilRunning(app);
    // A lease that was not released would be waited for.
    expect(clock().now() - startedAt).toBeLessThan(LEASE_TTL_MS);
    await world.publish('one', ...numbers(50 * round + 1, 50 * round + 50));
  }
  await eventually('all are handled', () => world.handled.length >= 200);
  await end(app);
  expect(world.handled).toEqual(of('one', numbers(1, 200)));
}, 60_000);

type Removal = 'delete' | 'purge' | 'purge of the message';

async function remove(how: Removal, key: string): Promise<void> {
  const manager = await nats.jetstreamManager();
  if (how === 'purge of the message') {
    await manager.streams.purge(LEASES, { filter: `$KV.aggregate-transport.${key}` });
    return;
  }
  const kv = await nats.jetstream().views.kv('aggregate-transport');
  await kv[how](key);
}

test.each<Removal>(['delete', 'purge', 'purge of the message'])(
  'a %s of a lease key, while an owner runs and while none does, stops no group and repeats no event',
  async (how) => {
    const topic = `key-${how.replaceAll(' ', '-')}`;
    const world = await worldOf(topic);
    let app = await world.start();
    await world.publish('one', ...numbers(1, 20));
    await eventually('the first are handled', () => world.handled.length === 20);
    // What no commit has said yet comes again after a lost lease.
    await eventually('the first are committed', async () => (await positionOf(topic))?.high === 20);
    await remove(how, `lease.${topic}.shop.0.1.0`);
    // Longer than a renewal takes to notice.
    await new Promise((resolve) => setTimeout(resolve, 1.5 * LEASE_TTL_MS));
    await world.publish('one', ...numbers(21, 40));
    await eventually('an owner goes through it', () => world.handled.length >= 40);
    expect(await app.get(AggregateHealthIndicator).isHealthy('events')).toMatchObject({
      events: { status: 'up' },
    });
    const { epoch } = partitionOf(app).lease;

    await end(app);
    await remove(how, `lease.${topic}.shop.0.1.0`);
    app = await world.start();
    await world.publish('one', ...numbers(41, 60));
    await eventually('the next owner continues', () => world.handled.length >= 60);
    expect(partitionOf(app).lease.epoch).toBeGreaterThan(epoch);
    await end(app);
    expect(world.handled).toEqual(of('one', numbers(1, 60)));
  },
  60_000,
);

test.each<Removal>(['delete', 'purge of the message'])(
  'a %s of the position while an owner runs is written over by the next commit, and no event is repeated',
  async (how) => {
    const topic = `position-${how.replaceAll(' ', '-')}`;
    const world = await worldOf(topic);
    const app = await world.start();
    await world.publish('one', ...numbers(1, 20));
    await eventually('the first are committed', async () => (await positionOf(topic))?.high === 20);
    if (how === 'delete') {
      await (await nats.jetstream().views.kv(`${topic}_positions`, { bindOnly: true })).delete('shop.0.1.0');
    } else {
      const manager = await nats.jetstreamManager();
      await manager.streams.purge(`${topic}_positions`, { filter: positionKeyOf(topic) });
    }
    await world.publish('one', 21);
    await eventually('the next is committed', async () => (await positionOf(topic))?.high === 21);
    await end(app);
    await end(await world.start());
    expect(world.handled).toEqual(of('one', numbers(1, 21)));
  },
  60_000,
);

async function remake(topic: string): Promise<void> {
  const { streams } = await nats.jetstreamManager();
  const { config } = await streams.info(topic);
  await streams.delete(topic);
  await streams.add(config);
}

function isRising(positions: readonly bigint[]): boolean {
  return positions.every((position, index) => index === 0 || position > positions[index - 1]!);
}

test('ctx.position keeps growing across a stream that was deleted and made again, and ctx.run grows by one', async () => {
  const world = await worldOf('remade');
  const app = await world.start();
  await world.publish('one', ...numbers(1, 20));
  await eventually('the first are handled', () => world.handled.length === 20);
  await remake('remade');
  await world.publish('one', ...numbers(21, 25));
  await eventually('the next are handled', () => world.handled.length >= 25);
  await end(app);
  expect(world.handled).toEqual(of('one', numbers(1, 25)));
  expect(world.contexts.map(({ run }) => run)).toEqual(numbers(1, 25).map((n) => (n <= 20 ? 0 : 1)));
  expect(world.contexts.at(-1)!.sequence).toBe(5);
  expect(isRising(world.contexts.map(({ position }) => position))).toBe(true);
  expect(
    world.log.matching(/the stream was deleted and made again at .*; it is handled from its first/),
  ).toHaveLength(1);
}, 60_000);

test('ctx.position grows through the letters of an aggregate that was parked before its stream was made again', async () => {
  const world = await worldOf('remade-parked');
  const app = await world.start();
  const parked = app.get(ParkedAggregates);
  world.failing.add('one');
  await world.publish('other', ...numbers(1, 20));
  await world.publish('one', 1, 2);
  const letters = (count: number) =>
    eventually(`${count} letters`, async () => {
      const [found] = await parked.list({ topic: 'remade-parked' });
      return found?.letters === count;
    });
  await letters(2);
  await remake('remade-parked');
  await world.publish('one', 3, 4);
  await letters(4);
  world.failing.clear();
  expect(await parked.retry({ topic: 'remade-parked', aggregateId: 'one' })).toEqual({
    outcome: 'unparked',
  });
  await world.publish('one', 5);
  await eventually('all are handled', () => world.handled.length === 25);
  const contexts = world.contexts.filter(({ aggregateId }) => aggregateId === 'one');
  await end(app);
  expect(world.handled.slice(20)).toEqual(of('one', numbers(1, 5)));
  expect(isRising(contexts.map(({ position }) => position))).toBe(true);
}, 60_000);

test('health goes down with not-committing while the stream of positions is gone, and up again when it is restored', async () => {
  const world = await worldOf('away');
  const app = await world.start();
  const health = app.get(AggregateHealthIndicator);
  await world.publish('one', ...numbers(1, 20));
  await eventually('the first are committed', async () => (await positionOf('away'))?.high === 20);
  const { streams } = await nats.jetstreamManager();
  const { config } = await streams.info('away_positions');
  await streams.delete('away_positions');
  await world.publish('one', 21);
  // That the stream is gone is another problem, found by a look of its own.
  await eventually('health names it', async () => {
    const { events } = await health.isHealthy('events');
    const names = events.problems.some(({ code, partition }) => code === 'not-committing' && partition === 0);
    return names && events.status === 'down';
  });
  expect(await health.isReady('events')).toMatchObject({ events: { status: 'up' } });
  // Handled all the same: only a crash would repeat it.
  expect(world.handled).toEqual(of('one', numbers(1, 21)));
  expect(world.log.matching(/its position cannot be committed/)).toHaveLength(1);

  await streams.add(config);
  await eventually('health comes up', async () => (await health.isHealthy('events')).events.status === 'up');
  expect(await positionOf('away')).toMatchObject({ high: 21, unsettled: '' });
}, 60_000);
