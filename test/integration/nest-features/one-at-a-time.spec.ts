import { afterEach, expect, test } from '@jest/globals';
import { Controller, type INestApplication, type NestInterceptor, UseInterceptors } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { type AggregateContext, AggregateHandler, ParkedAggregates } from 'nestjs-aggregate-transport';
import { from, interval, of, retry, take, timeout } from 'rxjs';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

// At most one handler of an aggregate runs at a time, also where an interceptor ends the pipeline before the method.

const server = serverForAll();
let app: INestApplication | undefined;
afterEach(async () => {
  await app?.close();
  app = undefined;
});

const GIVES_UP_MS = 50;
const gives: Readonly<Record<'up' | 'value' | 'again', NestInterceptor>> = {
  up: { intercept: (_context, next) => next.handle().pipe(timeout(GIVES_UP_MS)) },
  value: {
    intercept: (_context, next) => next.handle().pipe(timeout({ each: GIVES_UP_MS, with: () => of(null) })),
  },
  again: { intercept: (_context, next) => next.handle().pipe(timeout(GIVES_UP_MS), retry(2)) },
};

/** Methods that run until the test ends them, and how many of them ran at once. */
class Runs {
  running = 0;
  most = 0;
  aborted = 0;
  readonly started: string[] = [];
  readonly #ends: (() => void)[] = [];

  async run(n: number, { attempt, signal }: AggregateContext): Promise<string> {
    this.started.push(`${n}/${attempt}`);
    this.most = Math.max(this.most, ++this.running);
    signal.addEventListener('abort', () => this.aborted++);
    await new Promise<void>((resolve) => this.#ends.push(resolve));
    this.running--;
    return 'done';
  }

  /** Ends the method that runs, once its interceptor has given up. */
  async endNext(): Promise<void> {
    await eventually(
      'a method that its interceptor has left',
      () => this.#ends.length > 0 && this.aborted > 0,
    );
    this.aborted = 0;
    this.endOne();
  }

  endOne(): void {
    this.#ends.shift()!();
  }
}

async function serve(topic: string, how: keyof typeof gives, shape: 'promise' | 'observable') {
  const runs = new Runs();

  @Controller()
  @UseInterceptors(gives[how])
  class Slow {
    @AggregateHandler(topic, { retry: { attempts: 3, firstDelayMs: 1, maxDelayMs: 1 } })
    handle(@Payload() n: number, @Ctx() context: AggregateContext) {
      const run = runs.run(n, context);
      return shape === 'promise' ? run : from(run);
    }
  }

  const log = new CapturedLog();
  app = await startApp({
    options: { servers: server().url, group: 'one', topics: { [topic]: {} } },
    publishers: [topic],
    controllers: [Slow],
    logger: log,
  });
  for (const payload of [1, 2])
    await publisherOf(app, topic).publish({ aggregateId: 'a', type: 'T', payload });
  return { runs, log };
}

const SHAPES = ['promise', 'observable'] as const;

test.each(SHAPES)(
  'attempt 2 starts when the %s of attempt 1 has settled, although its interceptor gave up',
  async (shape) => {
    const topic = `gives-up-${shape}`;
    const { runs, log } = await serve(topic, 'up', shape);
    await runs.endNext();
    await runs.endNext();
    await runs.endNext();
    await log.says(/its aggregate is parked/);
    expect(runs.started).toEqual(['1/1', '1/2', '1/3']);
    expect(runs.most).toBe(1);
    expect(log.matching(/failed in its interceptor \(attempt 1\).*TimeoutError/)).toHaveLength(1);
    expect(await app!.get(ParkedAggregates).list({ topic })).toMatchObject([{ aggregateId: 'a' }]);
  },
);

test.each(SHAPES)(
  'event 2 starts when the %s of event 1 has settled, although its interceptor gave a value',
  async (shape) => {
    const { runs, log } = await serve(`gives-value-${shape}`, 'value', shape);
    await runs.endNext();
    await runs.endNext();
    await eventually('both to be handled', () => runs.running === 0);
    expect(runs.started).toEqual(['1/1', '2/1']);
    expect(runs.most).toBe(1);
    expect(log.matching(/failed in its/)).toEqual([]);
  },
);

test('a method that an interceptor calls again within one attempt starts when its first call has settled', async () => {
  const { runs } = await serve('calls-again', 'again', 'promise');
  await eventually('the first call', () => runs.running === 1);
  // All three calls of the interceptor have been made when it gives up.
  for (let call = 0; call < 3; call++) {
    await eventually(`call ${call + 1}`, () => runs.started.length === call + 1);
    if (call === 0) await runs.endNext();
    else runs.endOne();
  }
  expect(runs.most).toBe(1);
  expect(runs.started).toEqual(['1/1', '1/1', '1/1']);
});

test('a method that fails after its interceptor gave a value has failed: the event is tried again', async () => {
  let attempts = 0;
  let fail: (error: Error) => void = () => undefined;

  @Controller()
  @UseInterceptors(gives.value)
  class Late {
    @AggregateHandler('fails-late', { retry: { firstDelayMs: 1 } })
    handle(_payload: unknown, @Ctx() { signal }: AggregateContext) {
      if (++attempts === 2) return 'done';
      return new Promise((_resolve, reject) => {
        fail = reject;
        signal.addEventListener('abort', () => fail(new RangeError('too late')));
      });
    }
  }
  const log = new CapturedLog();
  app = await startApp({
    options: { servers: server().url, group: 'one', topics: { 'fails-late': {} } },
    publishers: ['fails-late'],
    controllers: [Late],
    logger: log,
  });
  await publisherOf(app, 'fails-late').publish({ aggregateId: 'a', type: 'T', payload: 1 });
  await log.says(/handled in attempt 2/);
  expect(log.matching(/failed in its handler \(attempt 1\).*RangeError: too late/)).toHaveLength(1);
});

test('an Observable that has emitted ends with its subscriber: the event is handled', async () => {
  let handled = 0;
  @Controller()
  @UseInterceptors({ intercept: (_context, next) => next.handle().pipe(take(1)) } satisfies NestInterceptor)
  class Endless {
    @AggregateHandler('endless')
    handle() {
      handled++;
      return interval(1);
    }
  }
  app = await startApp({
    options: { servers: server().url, group: 'one', topics: { endless: {} } },
    publishers: ['endless'],
    controllers: [Endless],
  });
  for (const payload of [1, 2])
    await publisherOf(app, 'endless').publish({ aggregateId: 'a', type: 'T', payload });
  await eventually('both events to be handled', () => handled === 2);
});
