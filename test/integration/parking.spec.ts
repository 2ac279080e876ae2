import { describe, expect, test } from '@jest/globals';
import { Controller, type INestApplication } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  AggregateContext,
  AggregateHandler,
  type AggregateTransportOptions,
  ParkedAggregates,
  type ParkedNotice,
  UnrecoverableError,
} from 'nestjs-aggregate-transport';
import { publisherOf, startApp } from '../support/app.js';
import { serverForAll } from '../support/server.js';

const server = serverForAll();

interface World {
  readonly app: INestApplication;
  readonly handled: string[];
  readonly failed: string[];
  readonly parkedNotices: ParkedNotice[];
  readonly unparked: string[];
  /** Aggregates whose events fail. */
  readonly failing: Set<string>;
  readonly parked: ParkedAggregates;
  publish(aggregateId: string, ...numbers: number[]): Promise<void>;
}

async function worldOf(
  topic: string,
  consume: NonNullable<AggregateTransportOptions['consume']> = {},
  fail: (n: number) => Error | undefined = () => new UnrecoverableError(new Error('no stock')),
): Promise<World> {
  const handled: string[] = [];
  const failed: string[] = [];
  const failing = new Set<string>();
  const parkedNotices: ParkedNotice[] = [];
  const unparked: string[] = [];

  @Controller()
  class Handler {
    @AggregateHandler(topic)
    handle(@Payload() { n }: { n: number }, @Ctx() ctx: AggregateContext): void {
      const error = failing.has(ctx.aggregateId) ? fail(n) : undefined;
      if (error !== undefined) {
        failed.push(`${ctx.aggregateId} ${n}`);
        throw error;
      }
      handled.push(`${ctx.aggregateId} ${n}`);
    }
  }

  const app = await startApp({
    options: {
      servers: server().url,
      group: 'parking',
      topics: { [topic]: { consume: { leaseTtlMs: 1_500, ...consume } } },
      hooks: {
        onParked: (notice) => parkedNotices.push(notice),
        onUnparked: ({ aggregateId }) => unparked.push(aggregateId),
      },
    },
    publishers: [topic],
    controllers: [Handler],
  });
  const publisher = publisherOf(app, topic);
  return {
    app,
    handled,
    failed,
    failing,
    parkedNotices,
    unparked,
    parked: app.get(ParkedAggregates),
    async publish(aggregateId, ...numbers) {
      for (const n of numbers) await publisher.publish({ aggregateId, type: 'Counted', payload: { n } });
    },
  };
}

/** Repeats the expectation until it holds. */
async function holds(expectation: () => void | Promise<void>): Promise<void> {
  const until = performance.now() + 15_000;
  for (;;) {
    try {
      await expectation();
      return;
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const of = (handled: readonly string[], id: string): string[] =>
  handled.filter((line) => line.startsWith(`${id} `));

describe('a parked aggregate', () => {
  test('keeps its events as letters in order while others continue, and replays them in order', async () => {
    const world = await worldOf('gives-back');
    world.failing.add('a.1');
    await world.publish('a.1', 1, 2, 3);
    await world.publish('b', 1, 2);
    await holds(() => expect(of(world.handled, 'b')).toEqual(['b 1', 'b 2']));
    const address = { topic: 'gives-back', aggregateId: 'a.1' };
    const letters = async (): Promise<number[]> => {
      const numbers: number[] = [];
      for await (const letter of world.parked.letters(address)) {
        numbers.push((letter.event?.payload as { n: number }).n);
      }
      return numbers;
    };
    await holds(async () => expect(await letters()).toEqual([1, 2, 3]));
    expect(await world.parked.list({ topic: 'gives-back' })).toMatchObject([
      { aggregateId: 'a.1', state: 'parked', reason: 'UNRECOVERABLE', attempts: 1, sequence: 1, letters: 3 },
    ]);
    expect(world.parkedNotices).toMatchObject([{ aggregateId: 'a.1', reason: 'UNRECOVERABLE' }]);

    expect(await world.parked.retry(address)).toMatchObject({
      outcome: 'failed',
      error: expect.stringContaining('no stock'),
    });
    world.failing.delete('a.1');
    await world.publish('a.1', 4);
    expect(await world.parked.retry(address)).toEqual({ outcome: 'unparked' });
    await world.publish('a.1', 5);
    await holds(() => expect(of(world.handled, 'a.1')).toEqual([1, 2, 3, 4, 5].map((n) => `a.1 ${n}`)));
    expect(world.unparked).toEqual(['a.1']);
    expect(await world.parked.list({ topic: 'gives-back' })).toEqual([]);
    await expect(world.parked.retry(address)).rejects.toMatchObject({ code: 'NOT_PARKED' });
    await world.app.close();
  });

  test('stays parked through a restart, and loses and repeats nothing', async () => {
    const first = await worldOf('restart');
    first.failing.add('a');
    await first.publish('a', 1, 2);
    await holds(async () =>
      expect(await first.parked.list({ topic: 'restart' })).toMatchObject([{ letters: 2 }]),
    );
    await first.app.close();
    const second = await worldOf('restart');
    await second.publish('a', 3);
    await second.publish('b', 1);
    await holds(() => expect(second.handled).toEqual(['b 1']));
    await holds(async () =>
      expect(await second.parked.list({ topic: 'restart' })).toMatchObject([{ letters: 3 }]),
    );
    expect(await second.parked.retry({ topic: 'restart', aggregateId: 'a' })).toEqual({
      outcome: 'unparked',
    });
    expect(of(second.handled, 'a')).toEqual(['a 1', 'a 2', 'a 3']);
    await second.app.close();
  });

  test('can lose its head by command, or all its letters, and nothing else', async () => {
    const world = await worldOf('by-command', {}, (n) =>
      n === 1 ? new UnrecoverableError(new Error('bad')) : undefined,
    );
    world.failing.add('a').add('b');
    await world.publish('a', 1, 2);
    await world.publish('b', 1, 2);
    await holds(async () =>
      expect(await world.parked.list({ topic: 'by-command' })).toMatchObject([
        { letters: 2 },
        { letters: 2 },
      ]),
    );
    world.failing.clear();
    const a = { topic: 'by-command', aggregateId: 'a' };
    expect(await world.parked.skipHead(a)).toEqual({ outcome: 'parked' });
    expect(await world.parked.retry(a)).toEqual({ outcome: 'unparked' });
    expect(await world.parked.discard({ ...a, aggregateId: 'b' })).toEqual({ outcome: 'unparked' });
    await world.publish('b', 3);
    await holds(() => expect(world.handled).toEqual(['a 2', 'b 3']));
    await world.app.close();
  });
});

describe('the policies', () => {
  test('skip: the event becomes a letter of its own, and its aggregate continues', async () => {
    const world = await worldOf('skips', { onExhausted: 'skip' });
    world.failing.add('a');
    await world.publish('a', 1);
    const skipped = async (): Promise<number[]> => {
      const found: number[] = [];
      for await (const letter of world.parked.skipped({ topic: 'skips' })) found.push(letter.sequence);
      return found;
    };
    await holds(async () => expect(await skipped()).toEqual([1]));
    world.failing.clear();
    await world.publish('a', 2);
    await holds(() => expect(world.handled).toEqual(['a 2']));
    expect(await world.parked.list({ topic: 'skips' })).toEqual([]);
    await world.app.close();
  });

  test('classify: the error decides', async () => {
    const world = await worldOf(
      'classified',
      { classify: ({ error }) => ((error as Error).message === 'hopeless' ? 'park' : undefined) },
      () => new Error('hopeless'),
    );
    world.failing.add('a');
    await world.publish('a', 1);
    await holds(async () =>
      expect(await world.parked.list({ topic: 'classified' })).toMatchObject([
        { attempts: 1, reason: 'EXHAUSTED' },
      ]),
    );
    await world.app.close();
  });
});

test('when nearly everything fails the partition pauses, and comes back by itself', async () => {
  const world = await worldOf('outage', { breaker: { parked: 3, withinMs: 60_000, probeEveryMs: 300 } });
  const ids = Array.from({ length: 40 }, (_, n) => `a${String(n).padStart(2, '0')}`);
  for (const id of ids) world.failing.add(id);
  for (const id of ids) await world.publish(id, 1, 2);
  await holds(() => expect(world.parkedNotices.length).toBe(3));
  // Two probes later nothing else is parked.
  const attempts = world.failed.length;
  await holds(() => expect(world.failed.length).toBeGreaterThanOrEqual(attempts + 2));
  expect((await world.parked.list({ topic: 'outage' })).length).toBe(3);
  world.failing.clear();
  await holds(() => expect(new Set(world.handled).size).toBe(74));
  const { unparked, failed } = await world.parked.retryAll({ topic: 'outage' }, { ratePerSecond: 100 });
  expect([unparked.length, failed]).toEqual([3, []]);
  for (const id of ids) expect(of(world.handled, id)).toEqual([`${id} 1`, `${id} 2`]);
  await world.app.close();
});
