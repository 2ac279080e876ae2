import { describe, expect, test } from '@jest/globals';
import {
  type CallHandler,
  Controller,
  type ExecutionContext,
  type Type,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
} from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import {
  type AggregateBatch,
  AggregateContext,
  AggregateHandler,
  type AggregateTransportOptions,
  type ConsumeOptions,
  ParkedAggregates,
} from 'nestjs-aggregate-transport';
import { finalize } from 'rxjs';
import { publisherOf, startApp } from '../../support/app.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';

const server = serverForAll();
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1);

type Counted = AggregateBatch;

function optionsOf(topic: string, consume: ConsumeOptions = {}): AggregateTransportOptions {
  return { servers: server().url, group: 'g', topics: { [topic]: { consume } } };
}

const numbersOf = (events: Counted): number[] => events.map(({ payload }) => (payload as { n: number }).n);

/** Stores events of some aggregates by turns, then starts an application with these handlers. */
async function started(
  topic: string,
  {
    ids,
    each,
    controllers,
    consume = {},
  }: {
    readonly ids: readonly string[];
    readonly each: number;
    readonly controllers: Type[];
    readonly consume?: ConsumeOptions;
  },
) {
  const storing = await startApp({ options: optionsOf(topic), publishers: [topic] });
  await publisherOf(storing, topic).publishAll(
    upTo(each).flatMap((n) => ids.map((aggregateId) => ({ aggregateId, type: 'Counted', payload: { n } }))),
  );
  await storing.close();
  return startApp({ options: optionsOf(topic, consume), publishers: [topic], controllers });
}

describe('a handler with batch', () => {
  test('gets consecutive events of one aggregate, in stored order, each with its own context', async () => {
    const seen: Record<string, number[]> = {};
    const sizes: number[] = [];

    @Controller()
    class Handler {
      @AggregateHandler('batch-order', { batch: 20 })
      async all(events: Counted) {
        await turn();
        sizes.push(events.length);
        const [{ context }] = events as [Counted[number]];
        expect(new Set(events.map((event) => event.context.aggregateId))).toEqual(
          new Set([context.aggregateId]),
        );
        for (const event of events) expect(event.type).toBe(event.context.type);
        const positions = events.map((event) => event.context.position);
        expect(positions).toEqual([...positions].sort((a, b) => Number(a - b)));
        (seen[context.aggregateId] ??= []).push(...numbersOf(events));
      }
    }

    const ids = ['a', 'b', 'c'];
    const app = await started('batch-order', { ids, each: 100, controllers: [Handler] });
    await eventually('all handled', () => ids.every((id) => seen[id]?.length === 100));
    await app.close();
    for (const id of ids) expect(seen[id]).toEqual(upTo(100));
    expect(Math.max(...sizes)).toBe(20);
    expect(sizes.length).toBeLessThan(60);
  });

  test('gets one event if there is one', async () => {
    const sizes: number[] = [];
    @Controller()
    class Handler {
      @AggregateHandler('batch-one', { batch: 20 })
      all(events: Counted) {
        sizes.push(events.length);
      }
    }
    const app = await started('batch-one', { ids: ['a', 'b'], each: 1, controllers: [Handler] });
    await eventually('both handled', () => sizes.length === 2);
    await app.close();
    expect(sizes).toEqual([1, 1]);
  });

  test('that fails is called for each event alone: the culprit parks, and its letters come alone too', async () => {
    const calls: number[][] = [];
    const done: number[] = [];
    let isFixed = false;

    @Controller()
    class Handler {
      @AggregateHandler('batch-culprit', { batch: 10, retry: { attempts: 2, firstDelayMs: 5 } })
      async all(events: Counted) {
        calls.push(numbersOf(events));
        await turn();
        if (!isFixed && numbersOf(events).includes(4)) throw new Error('no stock');
        done.push(...numbersOf(events));
      }
    }

    const app = await started('batch-culprit', { ids: ['a'], each: 8, controllers: [Handler] });
    const parked = app.get(ParkedAggregates);
    const where = { topic: 'batch-culprit', group: 'g' };
    await eventually('parked', async () => (await parked.list(where)).length === 1);
    expect(calls).toEqual([upTo(8), [1], [2], [3], [4]]);
    expect(done).toEqual([1, 2, 3]);
    isFixed = true;
    await parked.retry({ ...where, aggregateId: 'a' });
    await eventually('replayed', () => done.length === 8);
    expect(done).toEqual(upTo(8));
    expect(calls.slice(5)).toEqual([[4], [5], [6], [7], [8]]);
    await app.close();
  });

  test('passes guards, pipes, interceptors and filters once per call, with the batch', async () => {
    const heard: string[] = [];
    const sizeOf = (value: unknown): number => (value as unknown[]).length;
    const guard = {
      canActivate: (host: ExecutionContext) => {
        const { aggregateId } = host.switchToRpc().getContext<AggregateContext>();
        heard.push(`guard ${aggregateId} ${sizeOf(host.switchToRpc().getData())}`);
        return true;
      },
    };
    const interceptor = {
      intercept: (_host: ExecutionContext, next: CallHandler) =>
        next.handle().pipe(finalize(() => void heard.push('interceptor'))),
    };
    const pipe = {
      transform: (value: unknown, { type }: { type: string }) => {
        // Nest shows it the hidden parameter, too.
        if (type === 'body') heard.push(`pipe ${sizeOf(value)}`);
        return value;
      },
    };

    @Controller()
    class Handler {
      @AggregateHandler('batch-nest', { batch: 10 })
      @UseGuards(guard)
      @UseInterceptors(interceptor)
      @UsePipes(new ValidationPipe({ transform: true, whitelist: true }), pipe)
      all(events: Counted) {
        heard.push(`handler ${numbersOf(events).join()}`);
      }
    }

    const app = await started('batch-nest', { ids: ['a'], each: 3, controllers: [Handler] });
    await eventually('handled', () => heard.includes('interceptor'));
    await app.close();
    expect(heard).toEqual(['guard a 3', 'pipe 3', 'handler 1,2,3', 'interceptor']);
  });

  test('is told by the signal of each event when its time is over', async () => {
    const aborted: boolean[][] = [];

    @Controller()
    class Handler {
      @AggregateHandler('batch-time', { batch: 10, timeoutMs: 50 })
      async all(events: Counted) {
        if (aborted.length > 0) return;
        const signals = events.map(({ context }) => context.signal);
        await eventually('aborted', () => signals.some((signal) => signal.aborted));
        aborted.push(signals.map((signal) => signal.aborted));
      }
    }

    const app = await started('batch-time', { ids: ['a'], each: 3, controllers: [Handler] });
    await eventually('told', () => aborted.length === 1);
    await app.close();
    expect(aborted).toEqual([[true, true, true]]);
  });

  test('that hangs with a large part of the intake stops no other aggregate, and repeats nothing when it ends', async () => {
    const seen: Record<string, number[]> = {};
    let release = (): void => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));

    @Controller()
    class Handler {
      @AggregateHandler('batch-hung', { batch: 5 })
      async all(events: Counted) {
        const id = events[0]!.context.aggregateId;
        if (id === 'hung') await held;
        (seen[id] ??= []).push(...numbersOf(events));
      }
    }

    const ids = ['hung', 'free'];
    const consume = { maxAckPending: 40 };
    const app = await started('batch-hung', { ids, each: 60, controllers: [Handler], consume });
    await eventually('the other one is handled', () => seen['free']?.length === 60);
    expect(seen['hung']).toBeUndefined();
    release();
    await eventually('the hung one is handled', () => seen['hung']?.length === 60);
    const parked = app.get(ParkedAggregates);
    await eventually('nothing is parked', async () => {
      return (await parked.list({ topic: 'batch-hung', group: 'g' })).length === 0;
    });
    await app.close();
    expect(seen).toEqual({ hung: upTo(60), free: upTo(60) });
  });
});

describe('refused with OPTIONS_INVALID', () => {
  test.each<[string, () => void]>([
    [
      'a decorated parameter',
      () => {
        class Handler {
          @AggregateHandler('t', { batch: 10 })
          all(@Payload() events: Counted) {
            return events;
          }
        }
        return Handler;
      },
    ],
    [
      'a second parameter',
      () => {
        class Handler {
          @AggregateHandler('t', { batch: 10 })
          all(events: Counted, context: unknown) {
            return [events, context];
          }
        }
        return Handler;
      },
    ],
    [
      'a context',
      () => {
        class Handler {
          @AggregateHandler('t', { batch: 10 })
          all(@Ctx() context: AggregateContext) {
            return context;
          }
        }
        return Handler;
      },
    ],
    ...[0, 1_001, 2.5].map((batch): [string, () => void] => [
      `batch: ${batch}`,
      () => {
        class Handler {
          @AggregateHandler('t', { batch })
          all(events: Counted) {
            return events;
          }
        }
        return Handler;
      },
    ]),
  ])('is %s', (_what, define) => {
    expect(define).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }));
  });
});
