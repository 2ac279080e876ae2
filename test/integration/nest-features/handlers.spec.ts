import { expect, test } from '@jest/globals';
import { Controller, Inject, Injectable, Scope, type Type } from '@nestjs/common';
import { CONTEXT, Ctx, Payload, type RequestContext } from '@nestjs/microservices';
import { AggregateContext, AggregateHandler, AggregateId } from 'nestjs-aggregate-transport';
import { concat, EMPTY, map, of, throwError, timer } from 'rxjs';
import { publisherOf, startApp, type TestAppOptions } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { EXHAUSTED } from './exhausted.js';

const server = serverForAll();
const RETRY = { attempts: 3, firstDelayMs: 10, maxDelayMs: 50 };

async function handle(
  topic: string,
  controllers: Type[],
  events: { type: string; payload: unknown; headers?: Record<string, string> }[],
  { until, ...more }: Partial<TestAppOptions> & { until: (log: CapturedLog) => Promise<unknown> },
): Promise<CapturedLog> {
  const log = new CapturedLog();
  const app = await startApp({
    options: { servers: server().url, group: 'handlers', topics: { [topic]: { consume: { retry: RETRY } } } },
    publishers: [topic],
    controllers,
    logger: log,
    ...more,
  });
  await publisherOf(app, topic).publishAll(events.map((event) => ({ aggregateId: 'order.7', ...event })));
  await until(log);
  await app.close();
  return log;
}

const event = (type: string, payload: unknown = null) => ({ type, payload });

test('parameters: payload, id and context in any order, nothing at all, and inherited handlers', async () => {
  const seen: unknown[] = [];

  abstract class Base {
    @AggregateHandler('parameters', { type: 'Inherited' })
    inherited(@AggregateId() id: string, @Payload('n') n: number) {
      seen.push(['inherited', id, n, this.constructor.name]);
    }
  }

  @Controller()
  class Parameters extends Base {
    @AggregateHandler('parameters', { type: ['All', 'Twice'] })
    all(@Ctx() ctx: AggregateContext, @Payload() payload: unknown, @AggregateId() id: string) {
      seen.push([ctx.type, payload, id]);
    }

    @AggregateHandler('parameters')
    bare(payload: unknown) {
      seen.push(['bare', payload]);
    }
  }

  await handle(
    'parameters',
    [Parameters],
    [event('All', [1]), event('Twice', 'x'), event('Else', null), event('Inherited', { n: 5 })],
    { until: () => eventually('all handled', () => seen.length === 4) },
  );
  expect(seen).toEqual([
    ['All', [1], 'order.7'],
    ['Twice', 'x', 'order.7'],
    ['bare', null],
    ['inherited', 'order.7', 5, 'Parameters'],
  ]);
});

test('the context tells everything about an event besides its payload', async () => {
  const contexts: AggregateContext[] = [];

  @Controller()
  class Contexts {
    @AggregateHandler('contexts')
    handle(@Ctx() ctx: AggregateContext) {
      contexts.push(ctx);
    }
  }

  const timestamp = new Date('2026-11-24T10:00:00.000Z');
  const log = new CapturedLog();
  const app = await startApp({
    options: { servers: server().url, group: 'handlers', topics: { contexts: {} } },
    publishers: ['contexts'],
    controllers: [Contexts],
    logger: log,
  });
  const receipt = await publisherOf(app, 'contexts').publish({
    ...{
      aggregateId: 'order.7',
      type: 'Placed',
      payload: {},
      eventId: 'e-1',
      version: 3,
      aggregateVersion: 9,
    },
    ...{ timestamp, traceId: 't', correlationId: 'c', tenantId: 4, headers: { 'x-request-id': 'r' } },
  });
  await eventually('handled', () => contexts.length === 1);
  await app.close();
  const [ctx] = contexts;
  expect(ctx).toMatchObject({
    ...{ topic: 'contexts', group: 'handlers', aggregateId: 'order.7', type: 'Placed', eventId: 'e-1' },
    ...{ version: 3, aggregateVersion: 9, timestamp, traceId: 't', correlationId: 'c', tenantId: 4 },
    ...{ sequence: receipt.sequence, partition: 0, attempt: 1, fencingToken: 1 },
    ...{ run: 0, position: BigInt(receipt.sequence), isReplay: false },
  });
  expect(ctx!.headers).toMatchObject({ 'x-request-id': 'r' });
  expect([ctx!.getPattern(), ctx!.getMetadata()['x-request-id'], ctx!.signal.aborted]).toEqual([
    ...['contexts', 'r', false],
  ]);
});

test('the next event waits for an Observable to complete, for all its values, and for none', async () => {
  const steps: string[] = [];
  let lazy = 0;

  @Controller()
  class Results {
    @AggregateHandler('results', { type: 'Many' })
    many() {
      return concat(of(1), timer(20).pipe(map(() => 2)), of(3)).pipe(map((n) => steps.push(`many ${n}`)));
    }

    @AggregateHandler('results', { type: 'Empty' })
    empty() {
      steps.push('empty');
      return EMPTY;
    }

    @AggregateHandler('results', { type: 'Promised' })
    async promised() {
      await Promise.resolve();
      return timer(20).pipe(map(() => steps.push('promised')));
    }

    /** As a query builder, it runs at every call of its `then`. */
    @AggregateHandler('results', { type: 'Lazy' })
    lazy() {
      return {
        then: (resolve: (value: unknown) => void) => {
          lazy++;
          resolve(steps.push('lazy'));
        },
      };
    }

    @AggregateHandler('results', { type: 'Value' })
    value() {
      return steps.push('value');
    }
  }

  await handle(
    'results',
    [Results],
    ['Many', 'Empty', 'Promised', 'Lazy', 'Value'].map((type) => event(type)),
    { until: () => eventually('the last is handled', () => steps.includes('value')) },
  );
  expect(steps).toEqual(['many 1', 'many 2', 'many 3', 'empty', 'promised', 'lazy', 'value']);
  expect(lazy).toBe(1);
});

test.each(['an Observable', 'a promise of an Observable', 'a promise', 'a call'])(
  'an error of %s fails the attempt and is reported as it was thrown',
  async (kind) => {
    const error = new RangeError('not that many');

    @Controller()
    class Failing {
      @AggregateHandler('failing', { type: 'an Observable' })
      observable() {
        return throwError(() => error);
      }
      @AggregateHandler('failing', { type: 'a promise of an Observable' })
      promised() {
        return Promise.resolve(throwError(() => error));
      }
      @AggregateHandler('failing', { type: 'a promise' })
      rejected() {
        return Promise.reject(error);
      }
      @AggregateHandler('failing', { type: 'a call' })
      thrown() {
        throw error;
      }
    }

    const topics = { failing: { consume: { retry: RETRY, startAt: 'new' as const } } };
    const log = await handle('failing', [Failing], [event(kind)], {
      until: (lines) => lines.says(new RegExp(EXHAUSTED)),
      options: { servers: server().url, group: kind.replaceAll(' ', '-'), topics },
    });
    const text = new RegExp(`${kind} of aggregate .*failed in its handler .*RangeError: not that many`);
    // When it begins to fail, and when it is parked.
    expect(log.matching(text)).toHaveLength(2);
  },
);

test('a request-scoped controller is made for each event and may inject its context', async () => {
  const seen: string[] = [];
  let made = 0;

  @Injectable({ scope: Scope.REQUEST })
  class PerEvent {
    readonly serial = ++made;
    constructor(@Inject(CONTEXT) readonly request: RequestContext<unknown, AggregateContext>) {}
  }

  @Controller()
  class Scoped {
    constructor(@Inject(PerEvent) private readonly perEvent: PerEvent) {}

    @AggregateHandler('request-scope')
    handle(@Payload() payload: number, @Ctx() ctx: AggregateContext) {
      const { request, serial } = this.perEvent;
      seen.push(`${payload} ${serial} ${request.getData() === payload} ${request.getContext() === ctx}`);
      if (ctx.type === 'Fails' && ctx.attempt === 1) throw new TypeError('once');
    }
  }

  const log = await handle(
    'request-scope',
    [Scoped],
    [event('Works', 1), event('Fails', 2), event('Works', 3)],
    { until: () => eventually('all handled', () => seen.length === 4), providers: [PerEvent] },
  );
  expect(seen).toEqual(['1 1 true true', '2 2 true true', '2 3 true true', '3 4 true true']);
  expect(log.matching(/failed in its handler \(attempt 1\), again in .*TypeError: once/)).toHaveLength(1);
});

test('a request-scoped controller that cannot be made blocks as a refusal does, and continues once it can be made', async () => {
  let handled = 0;
  let broken = true;

  @Injectable({ scope: Scope.REQUEST })
  class Database {
    constructor() {
      if (broken) throw new Error('no database');
    }
  }

  @Controller()
  class Scoped {
    constructor(@Inject(Database) readonly database: Database) {}

    @AggregateHandler('unmakeable')
    handle() {
      handled++;
    }
  }

  const log = await handle('unmakeable', [Scoped], [event('T')], {
    providers: [Database],
    until: async (lines) => {
      await lines.says(/failed in its guard .*its aggregate is blocked .*Error: no database/);
      broken = false;
      await eventually('handled', () => handled === 1);
    },
  });
  expect(log.matching(/handled in attempt/)).toHaveLength(1);
});
