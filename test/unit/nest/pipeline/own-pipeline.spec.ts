import { expect, test } from '@jest/globals';
import type { CanActivate, ExecutionContext, NestInterceptor, PipeTransform } from '@nestjs/common';
import type { AggregateContext } from '#library/nest/handling/aggregate.context.js';
import { ExceptionFilters } from '#library/nest/pipeline/exception-filters.js';
import { OwnPipeline } from '#library/nest/pipeline/own-pipeline.js';
import { Parameters, pipeAtOnce } from '#library/nest/pipeline/parameters.js';
import { runTraced } from '#library/nest/handling/attempt-trace.js';
import { EMPTY, of } from 'rxjs';

interface Around {
  readonly guards?: CanActivate[];
  readonly interceptors?: NestInterceptor[];
  readonly pipes?: PipeTransform[];
}

/** One attempt of a method, traced as the decorator traces it. */
function attempt(method: () => unknown, { guards = [], interceptors = [], pipes = [] }: Around) {
  const abandoned: unknown[] = [];
  const context = {
    payload: 'payload',
    trace: { stage: 'guard', thrown: undefined, running: undefined },
    mayStart: () => true,
    abandon: (reason: unknown) => abandoned.push(reason),
  } as unknown as AggregateContext;
  const instance = {};
  const payload = { index: 0, extract: ([one]: unknown[]) => one, isForeign: false, pipes };
  const pipeline = new OwnPipeline({
    handler: { instance, method: () => runTraced(context, method, instance, []) },
    guards,
    interceptors,
    parameters: new Parameters([{ ...payload, metadata: { type: 'body' } }], pipeAtOnce),
    filters: new ExceptionFilters([]),
  });
  return { ended: pipeline.run(context), abandoned };
}

function deferred() {
  let end: (value?: unknown) => void = () => undefined;
  const promise = new Promise<unknown>((resolve) => (end = resolve));
  return { promise, end };
}

test('an attempt waits for the method, and aborts its signal, although an interceptor has ended early', async () => {
  const steps: string[] = [];
  const work = deferred();
  const leaving: NestInterceptor = {
    intercept: (_host, next) => {
      next.handle().subscribe();
      return EMPTY;
    },
  };
  const run = async (): Promise<void> => {
    steps.push('method begins');
    await work.promise;
    steps.push('method ends');
  };
  const { ended, abandoned } = attempt(run, { interceptors: [leaving] });
  const end = ended.then(() => steps.push('attempt ends'));
  while (abandoned.length === 0) await Promise.resolve();
  work.end();
  await end;
  expect(steps).toEqual(['method begins', 'method ends', 'attempt ends']);
  expect(abandoned).toEqual([expect.objectContaining({ code: 'HANDLER_TIMED_OUT' })]);
});

test('an attempt waits for pipes that an interceptor has begun and left', async () => {
  const steps: string[] = [];
  const leaving: NestInterceptor = {
    intercept: (_host, next) => {
      next.handle().subscribe();
      return of('own');
    },
  };
  const pipe = deferred();
  const { ended } = attempt(() => steps.push('method'), {
    interceptors: [leaving],
    pipes: [{ transform: () => pipe.promise }],
  });
  const end = ended.then(() => steps.push('attempt ends'));
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
  pipe.end();
  await end;
  expect(steps).toEqual(['method', 'attempt ends']);
});

test('guards share one host, and interceptors another', async () => {
  const hosts: ExecutionContext[] = [];
  const guard: CanActivate = { canActivate: (host) => hosts.push(host) > 0 };
  const interceptor: NestInterceptor = {
    intercept: (host, next) => {
      hosts.push(host);
      return next.handle();
    },
  };
  const around = { guards: [guard, guard], interceptors: [interceptor, interceptor] };
  expect(await attempt(() => undefined, around).ended).toBeUndefined();
  const [first, second, third, fourth] = hosts;
  expect([first === second, third === fourth, first === third]).toEqual([true, true, false]);
});
