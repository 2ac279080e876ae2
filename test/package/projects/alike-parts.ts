// What guards, interceptors, pipes, filters and handlers may do. Each writes into the log of its case what it sees.
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type ArgumentMetadata,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  Catch,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { BaseRpcExceptionFilter, RpcException } from '@nestjs/microservices';
import { type AggregateContext, UnrecoverableError } from 'nestjs-aggregate-transport';
import * as rx from 'rxjs';

export const store = new AsyncLocalStorage<string>();

/** The log of one case, called one way. */
export class Log {
  readonly lines: string[] = [];

  add(what: string, host?: ArgumentsHost): void {
    const inside = store.getStore();
    const where = inside === undefined ? '' : ` in ${inside}`;
    this.lines.push(`${what}${where}${host === undefined ? '' : ` sees ${seenBy(host)}`}`);
  }
}

function seenBy(host: ArgumentsHost): string {
  const execution = host as ExecutionContext;
  const controller = execution.getClass() as { name: string } | null;
  const rpc = host.switchToRpc();
  const context = rpc.getContext<AggregateContext>();
  return JSON.stringify([
    host.getType(),
    controller?.name.replace(/\d+/, ''),
    (execution.getHandler() as { name: string } | null)?.name,
    host.getArgs().length,
    host.getArgByIndex<unknown>(0) === rpc.getData() && rpc.getData<unknown>(),
    host.getArgs<unknown[]>()[1] === context && [context.type, context.attempt],
  ]);
}

export function nameOf(error: unknown): string {
  if (error instanceof RpcException) return `RpcException ${JSON.stringify(error.getError())}`;
  return error instanceof Error ? `${error.name} ${error.message}` : JSON.stringify(error);
}

const later = <T>(value: T, ms = 0): Promise<T> =>
  new Promise((resolve) => void setTimeout(() => resolve(value), ms));
const fail = (error: unknown): never => {
  throw error;
};

type Of<T> = Readonly<Record<string, T>>;

const ANSWERS: Of<() => unknown> = {
  true: () => true,
  false: () => false,
  throws: () => fail(new RangeError('guard')),
  'throws an RpcException': () => fail(new RpcException({ code: 7 })),
  'gives up': () => fail(new UnrecoverableError(new Error('guard'))),
  'true later': () => Promise.resolve(true),
  'false later': () => later(false),
  rejects: () => Promise.reject(new RangeError('guard')),
  'true in a stream': () => rx.of(false, true),
  'false in a stream': () => rx.of(true, false),
  'an empty stream': () => rx.EMPTY,
  'a stream that fails': () => rx.throwError(() => new TypeError('guard')),
  'a promise of a stream': () => Promise.resolve(rx.of(true)),
  'a text': () => 'yes',
  nothing: () => undefined,
  enters: () => {
    store.enterWith('guard');
    return true;
  },
};

export const GUARDS: Of<(log: Log, name: string) => CanActivate> = Object.fromEntries(
  Object.entries(ANSWERS).map(([kind, answer]) => [
    kind,
    (log: Log, name: string): CanActivate => ({
      canActivate: (host) => {
        log.add(`${name} is asked`, host);
        return answer() as boolean;
      },
    }),
  ]),
);

type Stream = rx.Observable<unknown>;
type Around = (next: CallHandler, log: Log, name: string) => unknown;

const STREAMS: Of<Around> = {
  'passes on': (next) => next.handle(),
  'sees values': (next, log, name) =>
    next.handle().pipe(
      rx.tap({
        next: (value) => log.add(`${name} sees ${JSON.stringify(value)}`),
        error: (error: unknown) => log.add(`${name} sees ${nameOf(error)}`),
        complete: () => log.add(`${name} sees the end`),
        unsubscribe: () => log.add(`${name} is left`),
      }),
    ),
  maps: (next) => next.handle().pipe(rx.map((value: unknown) => [value])),
  'is async': (next) => later(undefined).then(() => next.handle()),
  'is async at once': async (next) => Promise.resolve(next.handle()),
  throws: () => fail(new RangeError('interceptor')),
  rejects: () => Promise.reject(new RangeError('interceptor')),
  'gives up': () => fail(new UnrecoverableError(new Error('interceptor'))),
  'fails without the handler': () => rx.throwError(() => new RangeError('interceptor')),
  'fails after the handler': (next) =>
    next.handle().pipe(rx.map(() => fail(new RangeError('after')) as unknown)),
  'fails at the end': (next) =>
    rx.concat(
      next.handle(),
      rx.throwError(() => new RangeError('end')),
    ),
  'ends early': () => rx.EMPTY,
  'answers by itself': () => rx.of('own'),
  'replaces errors': (next) => next.handle().pipe(rx.catchError(() => rx.of('instead'))),
  'rethrows another': (next) =>
    next.handle().pipe(rx.catchError(() => rx.throwError(() => new RpcException('another')))),
  retries: (next) => next.handle().pipe(rx.retry(2)),
  repeats: (next) => next.handle().pipe(rx.repeat(2)),
  'handles twice': (next) => rx.concat(next.handle(), next.handle()),
  'handles twice at once': (next) => rx.merge(next.handle(), next.handle()),
  'has a timeout': (next) => next.handle().pipe(rx.timeout(40)),
  'takes one': (next) => next.handle().pipe(rx.take(1)),
  'takes none': (next) => next.handle().pipe(rx.take(0)),
  'collects all': (next) => next.handle().pipe(rx.toArray()),
  'wants one at least': (next) => next.handle().pipe(rx.throwIfEmpty()),
  'ignores all': (next) => next.handle().pipe(rx.ignoreElements()),
  'races with a value': (next) => rx.race(next.handle(), rx.of('first')),
  'merges a value': (next, log, name) =>
    rx.merge(next.handle(), rx.of('beside')).pipe(rx.tap((value) => log.add(`${name} ${String(value)}`))),
  'is left at once': (next) => next.handle().pipe(rx.takeUntil(rx.of(1))),
  'is left in a microtask': (next) => next.handle().pipe(rx.takeUntil(Promise.resolve())),
  'unsubscribes at once': (next) => {
    next.handle().subscribe().unsubscribe();
    return rx.of('left');
  },
  'subscribes by itself': (next, log, name) => {
    const subscription = next.handle().subscribe({
      next: () => log.add(`${name} has ${typeof subscription}`),
      error: (error: unknown) => log.add(`${name} has ${nameOf(error)}`),
    });
    return rx.of('own');
  },
  'subscribes later': (next) => rx.timer(1).pipe(rx.mergeMap(() => next.handle())),
  'shares it': (next) => {
    const shared = next.handle().pipe(rx.share());
    return rx.merge(shared, shared);
  },
  'runs in a store': (next) => store.run('inner', () => next.handle()),
  'subscribes in a store': (next) =>
    new rx.Observable((subscriber) => store.run('inner', () => next.handle().subscribe(subscriber))),
  'enters a store': (next) => {
    store.enterWith('entered');
    return next.handle();
  },
  'enters a store in its stream': (next) =>
    rx.defer(() => {
      store.enterWith('entered');
      return next.handle();
    }),
  'has a finalizer': (next, log, name) =>
    next.handle().pipe(rx.finalize(() => log.add(`${name} is finalized`))),
  'gives nothing': () => undefined,
  'gives a list': () => ['a', 'b'],
  'gives a promise of a text': () => Promise.resolve('text'),
  'gives a number': () => 5,
  'waits for a value': async (next) => rx.of(await rx.lastValueFrom(next.handle(), { defaultValue: 'none' })),
};

export const INTERCEPTORS: Of<(log: Log, name: string) => NestInterceptor> = Object.fromEntries(
  Object.entries(STREAMS).map(([kind, around]) => [
    kind,
    (log: Log, name: string): NestInterceptor => ({
      intercept: (host, next) => {
        log.add(`${name} intercepts`, host);
        return around(next, log, name) as Stream;
      },
    }),
  ]),
);

const TRANSFORMS: Of<(value: unknown, metadata: ArgumentMetadata) => unknown> = {
  'as it is': (value) => value,
  'as it is, later': (value) => Promise.resolve(value),
  'another payload': (value, { type }) => (type === 'body' ? { other: 1 } : value),
  'another payload, later': (value, { type }) => (type === 'body' ? later({ other: 1 }) : value),
  throws: (value, { type }) => (type === 'body' ? fail(new RangeError('pipe')) : value),
  rejects: (value, { type }) => (type === 'body' ? Promise.reject(new RangeError('pipe')) : value),
  'throws always': () => fail(new RangeError('pipe')),
  'rejects for others': (value, { type }) =>
    type === 'body' ? value : Promise.reject(new TypeError('pipe')),
  'nothing for others': (value, { type }) => (type === 'body' ? value : undefined),
};

export const PIPES: Of<(log: Log, name: string) => PipeTransform> = Object.fromEntries(
  Object.entries(TRANSFORMS).map(([kind, transform]) => [
    kind,
    (log: Log, name: string): PipeTransform => ({
      transform: (value: unknown, metadata: ArgumentMetadata) => {
        const { type, metatype, data } = metadata;
        const about = [type, metatype?.name, data, type === 'body' ? value : typeof value];
        log.add(`${name} gets ${JSON.stringify(about)}`);
        return transform(value, metadata);
      },
    }),
  ]),
);

type Filtering = (error: unknown, host: ArgumentsHost) => unknown;
const FILTERINGS: Of<readonly [filter: Filtering, ...types: (new (...args: never[]) => unknown)[]]> = {
  'answers a stream': [() => rx.of('answered')],
  'answers several': [() => rx.of(1, 2)],
  'answers an empty stream': [() => rx.EMPTY],
  'answers nothing': [() => undefined],
  'answers a text': [() => 'answered'],
  'answers a number': [() => 7],
  'answers a promise': [() => Promise.resolve('answered')],
  'answers a promise of a stream': [() => Promise.resolve(rx.of(1))],
  rejects: [() => Promise.reject(new TypeError('filter'))],
  rethrows: [(error) => fail(error)],
  'throws another': [() => fail(new TypeError('filter'))],
  'gives up': [() => fail(new UnrecoverableError(new Error('filter')))],
  'answers a failing stream': [(error) => rx.throwError(() => error)],
  'answers one that gives up': [() => rx.throwError(() => new UnrecoverableError(new Error('filter')))],
  'is for RangeErrors': [() => rx.of('answered'), RangeError],
  'is for two kinds': [() => rx.of('answered'), TypeError, RangeError],
  'is for RpcExceptions': [(error) => rx.throwError(() => (error as RpcException).getError()), RpcException],
  'is for others': [() => rx.of('answered'), EvalError],
  "is Nest's own": [(error, host) => new BaseRpcExceptionFilter().catch(error, host)],
};

export const FILTERS: Of<(log: Log, name: string) => ExceptionFilter> = Object.fromEntries(
  Object.entries(FILTERINGS).map(([kind, [filter, ...types]]) => [
    kind,
    (log: Log, name: string): ExceptionFilter => {
      class Filter implements ExceptionFilter {
        catch(error: unknown, host: ArgumentsHost): unknown {
          log.add(`${name} catches ${nameOf(error)}`, host);
          return filter(error, host);
        }
      }
      Catch(...(types as never[]))(Filter);
      return new Filter();
    },
  ]),
);

/** What a handler does; `calls` counts those of its case. */
export const HANDLERS: Of<(log: Log, calls: number) => unknown> = {
  'gives a value': () => 'value',
  'gives nothing': () => undefined,
  'gives a list': () => [1, 2],
  'gives a promise': () => Promise.resolve('value'),
  'ends later': (log) => later(undefined, 1).then(() => log.add('the method ends')),
  'ends too late': (log) => later(undefined, 120).then(() => log.add('the method ends')),
  'fails too late': () => later(undefined, 120).then(() => fail(new RangeError('late'))),
  throws: () => fail(new RangeError('handler')),
  rejects: () => Promise.reject(new RangeError('handler')),
  'throws an RpcException': () => fail(new RpcException('handler')),
  'throws a text': () => fail('text'),
  'gives up': () => fail(new UnrecoverableError(new Error('handler'))),
  'fails once': (_log, calls) => (calls === 1 ? fail(new RangeError('once')) : 'value'),
  'rejects once': (_log, calls) => (calls === 1 ? Promise.reject(new RangeError('once')) : 'value'),
  'gives a stream': (log) => rx.of(1, 2, 3).pipe(rx.tap((value) => log.add(`the stream gives ${value}`))),
  'gives a slow stream': (log) =>
    rx.timer(1, 1).pipe(
      rx.take(2),
      rx.finalize(() => log.add('the stream is left')),
    ),
  'gives an empty stream': () => rx.EMPTY,
  'gives a stream that fails': () =>
    rx.concat(
      rx.of(1),
      rx.throwError(() => new RangeError('stream')),
    ),
  'gives a promise of a stream': () => Promise.resolve(rx.of(1, 2)),
  'gives a lazy thenable': (log) => ({
    then: (resolve: (value: string) => void) => {
      log.add('the thenable runs');
      resolve('value');
    },
  }),
};
