import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { Test } from '@nestjs/testing';
import {
  AggregateContext,
  AggregateGroups,
  AggregateHandler,
  AggregateHealthIndicator,
  AggregateServer,
  AggregateTransportModule,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import { AggregateTransportTestingModule, TestingStreams } from 'nestjs-aggregate-transport/testing';
import { publisherOf } from '../../../support/app.js';

const apps: INestApplication[] = [];
let streams = new TestingStreams();

afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()));
  streams = new TestingStreams();
});

interface Handled {
  readonly n: number;
  readonly run: number;
  readonly token: number;
  readonly isReplay: boolean;
}

async function start(handled: Handled[], ill = new Set<number>()): Promise<INestApplication> {
  @Controller()
  class Handler {
    @AggregateHandler('orders', { retry: { attempts: 1 } })
    handle(@Payload() { n }: { n: number }, @Ctx() ctx: AggregateContext): void {
      if (ill.has(n)) throw new Error('ill');
      handled.push({ n, run: ctx.run, token: ctx.fencingToken, isReplay: ctx.isReplay });
    }
  }
  const module = await Test.createTestingModule({
    imports: [
      AggregateTransportTestingModule.forRoot({ group: 'billing', topics: { orders: {} } }, streams),
      AggregateTransportModule.forFeature(['orders']),
    ],
    controllers: [Handler],
  }).compile();
  const app = module.createNestApplication({ logger: false });
  app.connectMicroservice({ strategy: app.get(AggregateServer) });
  await app.startAllMicroservices();
  await app.init();
  apps.push(app);
  return app;
}

/** Moves the clock until the call is answered. */
async function within<T>(call: Promise<T>): Promise<T> {
  const state = { isOver: false };
  const end = call.finally(() => (state.isOver = true));
  end.catch(() => undefined);
  for (let step = 0; !state.isOver && step < 200; step++) await streams.advance(200);
  return end;
}

async function publish(app: INestApplication, from: number, count: number): Promise<void> {
  const events = Array.from({ length: count }, (_, index) => ({
    ...{ aggregateId: `order-${(from + index) % 2}`, type: 'Counted', payload: { n: from + index } },
  }));
  const published = publisherOf(app, 'orders').publishAll(events);
  await within(published);
  await streams.settle();
}

test('in memory a group is shown, followed, reset and deleted as over NATS', async () => {
  const handled: Handled[] = [];
  const ill = new Set([3]);
  const app = await start(handled, ill);
  await publish(app, 1, 6);
  const groups = app.get(AggregateGroups);
  expect(await within(groups.list())).toEqual([
    expect.objectContaining({
      topic: 'orders',
      group: 'billing',
      condition: 'living',
      owned: 1,
      lag: 0,
      parked: 1,
    }),
  ]);
  const planned = await within(groups.reset('orders', 'billing', { to: 'start', dryRun: true }));
  expect(planned).toMatchObject({ state: 'planned', plan: { events: 6, aggregates: 2 } });
  expect(planned.plan.letters).toEqual({ removed: 2, unparked: 1, kept: 0, isExact: true });
  ill.clear();
  const before = handled.length;
  expect(await within(groups.reset('orders', 'billing', { to: 'start' }))).toMatchObject({
    state: 'done',
    run: 1,
  });
  await within(streams.untilHandled('orders'));
  expect(
    handled
      .slice(before)
      .map(({ n }) => n)
      .toSorted(),
  ).toEqual([1, 2, 3, 4, 5, 6]);
  expect(handled.slice(before).every(({ isReplay, run }) => isReplay && run === 1)).toBe(true);
  expect(await within(app.get(ParkedAggregates).list({ topic: 'orders' }))).toEqual([]);
  const samples = [];
  const follow = groups.follow('orders', 'billing', { maxLag: 0 });
  for (let next = await within(follow.next()); next.done !== true; next = await within(follow.next()))
    samples.push(next.value);
  expect(samples).toEqual([expect.objectContaining({ caughtUp: true })]);

  const tokens = Math.max(...handled.map(({ token }) => token));
  expect(await within(groups.delete('orders', 'billing'))).toMatchObject({ state: 'done', plan: { run: 1 } });
  const health = await within(app.get(AggregateHealthIndicator).isHealthy('events'));
  expect(health['events'].problems).toContainEqual(
    expect.objectContaining({ code: 'halted', why: expect.stringContaining('the group was deleted') }),
  );
  const count = handled.length;
  await publish(app, 7, 2);
  expect(handled).toHaveLength(count);
  await expect(within(groups.reset('orders', 'billing', { to: 'end' }))).rejects.toMatchObject({
    code: 'GROUP_UNKNOWN',
  });
  await within(apps.pop()!.close());

  await start(handled);
  await within(streams.untilHandled('orders'));
  const later = handled.slice(count);
  expect(later.map(({ n }) => n).toSorted()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(later.every(({ run, isReplay, token }) => run === 2 && !isReplay && token > tokens)).toBe(true);
});

test.each([
  ['a place that is none', { to: 'begin' }],
  ['partitions that are no power of two', { to: 'start', partitions: 3 }],
])('refuses %s', async (_, options) => {
  const app = await start([]);
  await expect(
    within(app.get(AggregateGroups).reset('orders', 'billing', options as never)),
  ).rejects.toMatchObject({
    code: 'OPTIONS_INVALID',
  });
});
