import { expect, test } from '@jest/globals';
import {
  type ArgumentsHost,
  Catch,
  Controller,
  type ExceptionFilter,
  type NestInterceptor,
  type Provider,
  type Type,
  UseFilters,
  UseInterceptors,
} from '@nestjs/common';
import { APP_FILTER, APP_INTERCEPTOR } from '@nestjs/core';
import { RpcException } from '@nestjs/microservices';
import { AggregateHandler, UnrecoverableError } from 'nestjs-aggregate-transport';
import { catchError, defer, EMPTY, map, of, tap, throwError } from 'rxjs';
import { publisherOf, startApp } from '../../support/app.js';
import { CapturedLog } from '../../support/captured-log.js';
import { eventually } from '../../support/eventually.js';
import { serverForAll } from '../../support/server.js';
import { EXHAUSTED } from './exhausted.js';

const server = serverForAll();

/** Publishes one event and waits until its lane is empty: handled, or given up and skipped over by `until`. */
async function handleOne(
  topic: string,
  controller: Type,
  until: (log: CapturedLog) => Promise<unknown>,
  providers: Provider[] = [],
): Promise<CapturedLog> {
  const log = new CapturedLog();
  const app = await startApp({
    options: {
      servers: server().url,
      group: 'around',
      topics: {
        [topic]: { consume: { retry: { attempts: 3, firstDelayMs: 10, maxDelayMs: 50, jitter: 0 } } },
      },
    },
    publishers: [topic],
    controllers: [controller],
    providers,
    logger: log,
  });
  await publisherOf(app, topic).publish({ aggregateId: 'a', type: 'Counted', payload: 1 });
  await until(log);
  await app.close();
  return log;
}

test('an interceptor runs around the handler, once for each attempt', async () => {
  const steps: string[] = [];
  const around: NestInterceptor = {
    intercept: (_context, next) => {
      steps.push('before');
      return next.handle().pipe(
        map((value: unknown) => `${String(value)}!`),
        tap((value) => steps.push(`after ${value}`)),
      );
    },
  };

  @Controller()
  @UseInterceptors(around)
  class Intercepted {
    @AggregateHandler('intercepted')
    async handle() {
      await Promise.resolve();
      steps.push('handler');
      if (steps.length === 2) throw new Error('the first attempt fails');
      return 'done';
    }
  }

  const log = await handleOne('intercepted', Intercepted, (lines) => lines.says(/handled in attempt 2/));
  expect(steps).toEqual(['before', 'handler', 'before', 'handler', 'after done!']);
  expect(
    log.matching(/failed in its handler \(attempt 1\), again in 10 ms: Error: the first attempt fails/),
  ).toHaveLength(1);
});

test('an interceptor that fails before the handler is tried again like a handler, and not taken for a guard', async () => {
  let handled = 0;
  let calls = 0;
  const flaky: NestInterceptor = {
    intercept: (_context, next) =>
      defer(() => (++calls < 3 ? throwError(() => new Error('no transaction to be had')) : next.handle())),
  };

  @Controller()
  class Intercepted {
    @AggregateHandler('flaky')
    @UseInterceptors(flaky)
    handle() {
      handled++;
    }
  }

  const log = await handleOne('flaky', Intercepted, (lines) => lines.says(/handled in attempt 3/));
  expect([handled, calls]).toEqual([1, 3]);
  expect(
    log.matching(/failed in its interceptor \(attempt 1\), again in 10 ms: Error: no transaction to be had/),
  ).toHaveLength(1);
});

test('an interceptor that fails after the handler is reported as such, with its own error', async () => {
  let attempts = 0;
  const behind: NestInterceptor = {
    intercept: (_context, next) =>
      next.handle().pipe(
        map(() => {
          if (++attempts === 1) throw new Error('the commit failed');
        }),
      ),
  };

  @Controller()
  class Intercepted {
    @AggregateHandler('behind')
    @UseInterceptors(behind)
    handle() {
      return Promise.resolve('done');
    }
  }

  const log = await handleOne('behind', Intercepted, (lines) => lines.says(/handled in attempt 2/));
  expect(log.matching(/failed in its interceptor .*Error: the commit failed/)).toHaveLength(1);
});

test.each(['interceptor', 'filter'] as const)(
  'an %s that swallows the error settles the event',
  async (which) => {
    let attempts = 0;
    const swallowing: NestInterceptor = {
      intercept: (_context, next) => next.handle().pipe(catchError(() => EMPTY)),
    };
    const seen: unknown[] = [];

    @Catch()
    class SwallowingFilter implements ExceptionFilter {
      catch(error: unknown) {
        seen.push(error);
        return of(undefined);
      }
    }

    const fail = () => {
      attempts++;
      throw new TypeError('swallow me');
    };
    @Controller()
    class ByInterceptor {
      @AggregateHandler('swallowed-interceptor')
      @UseInterceptors(swallowing)
      handle() {
        fail();
      }
    }
    @Controller()
    class ByFilter {
      @AggregateHandler('swallowed-filter')
      @UseFilters(new SwallowingFilter())
      handle() {
        fail();
      }
    }

    const controller = which === 'filter' ? ByFilter : ByInterceptor;
    const log = await handleOne(`swallowed-${which}`, controller, () =>
      eventually('an attempt', () => attempts > 0),
    );
    // It was settled at shutdown, or the next process of the group would get it again.
    await handleOne(`swallowed-${which}`, controller, () => eventually('the next event', () => attempts > 1));
    expect(attempts).toBe(2);
    expect(log.matching(/failed in its/)).toEqual([]);
    if (which === 'filter') expect(seen[0]).toBeInstanceOf(TypeError);
  },
);

test.each([
  ['returns another error', () => throwError(() => new Error('rewritten'))],
  [
    'throws another error',
    () => {
      throw new Error('rewritten');
    },
  ],
  ['returns nothing', () => undefined],
])('a filter that %s fails the attempt; the report names what the handler threw', async (how, rewrite) => {
  const topic = how.replaceAll(' ', '-');

  @Catch(RangeError)
  class RewritingFilter implements ExceptionFilter {
    catch() {
      return rewrite();
    }
  }

  @Controller()
  class Filtered {
    @AggregateHandler(topic)
    @UseFilters(new RewritingFilter())
    handle() {
      throw new RangeError('out of range');
    }
  }

  const log = await handleOne(topic, Filtered, (lines) => lines.says(new RegExp(EXHAUSTED)));
  expect(log.matching(/failed in its handler \(attempt 3\).*RangeError: out of range/)).toHaveLength(1);
});

test('a filter sees only the errors it is for, the service closest first, as without this transport', async () => {
  const seen: string[] = [];
  class FilterOf {
    constructor(private readonly name: string) {}
    catch(error: unknown) {
      seen.push(this.name);
      return throwError(() => error);
    }
  }
  @Catch(RangeError)
  class RangeFilter extends FilterOf {}
  @Catch()
  class AnyFilter extends FilterOf {}
  let attempts = 0;

  @Controller()
  @UseFilters(new AnyFilter('controller'))
  class Filtered {
    @UseFilters(new RangeFilter('above'))
    @AggregateHandler('precedence')
    @UseFilters(new RangeFilter('below'))
    handle() {
      attempts++;
      if (attempts === 1) throw new RangeError('first');
      if (attempts === 2) throw new TypeError('second');
    }
  }

  await handleOne('precedence', Filtered, (lines) => lines.says(/handled in attempt 3/));
  expect(seen).toEqual(['above', 'controller']);
});

test('UnrecoverableError skips the retries; an RpcException is an error like any other', async () => {
  @Controller()
  class Failing {
    @AggregateHandler('unrecoverable')
    handle() {
      throw new UnrecoverableError(new Error('the account is closed'));
    }
  }
  @Controller()
  class Rpc {
    @AggregateHandler('rpc-exception')
    handle() {
      throw new RpcException({ code: 7, message: 'not now' });
    }
  }

  const log = await handleOne('unrecoverable', Failing, (lines) => lines.says(new RegExp(EXHAUSTED)));
  expect(log.matching(/failed in its handler \(attempt 1\).*the account is closed/).length).toBeGreaterThan(
    0,
  );
  expect(log.matching(/again in/)).toEqual([]);

  const rpc = await handleOne('rpc-exception', Rpc, (lines) => lines.says(new RegExp(EXHAUSTED)));
  expect(rpc.matching(/again in .*not now/)).toHaveLength(1);
});

test('a global interceptor runs around handlers too, and a global filter that is meant for HTTP hides neither stage nor error', async () => {
  const steps: string[] = [];
  const around: NestInterceptor = {
    intercept: (context, next) => {
      steps.push(context.getType());
      return next.handle();
    },
  };

  @Catch()
  class HttpOnlyFilter implements ExceptionFilter {
    catch(error: Error, host: ArgumentsHost): void {
      const response = host
        .switchToHttp()
        .getResponse<{ status(code: number): { json(body: unknown): void } }>();
      response.status(500).json({ message: error.message });
    }
  }

  @Controller()
  class Broken {
    @AggregateHandler('globals')
    handle() {
      throw new UnrecoverableError(new Error('no stock'));
    }
  }
  const log = await handleOne('globals', Broken, (seen) => seen.says(new RegExp(EXHAUSTED)), [
    { provide: APP_FILTER, useClass: HttpOnlyFilter },
    { provide: APP_INTERCEPTOR, useValue: around },
  ]);
  expect(steps).toEqual(['rpc']);
  expect(log.matching(/failed in its handler \(attempt 1\).*no stock/)).toHaveLength(1);
});
