import 'reflect-metadata';
import {
  type CanActivate,
  createParamDecorator,
  type ExecutionContext,
  UseFilters,
  UseGuards,
} from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { isObservable } from 'rxjs';
import { AggregateTransportError } from '../../errors.js';
import { isThenable } from '../../foreign.js';
import type { AggregateContext } from './aggregate.context.js';
import type { ErrorWitness } from './error-witness.js';
import { type AttemptTrace, watchRun } from './method-runs.js';

/** Nest's metadata of decorated parameters: `"<kind>:<index>"` to `{ index, … }` on the class, per method. */
const PARAMETERS = '__routeArguments__';
const CONTEXT = Symbol('aggregate-context');

function contextOf(host: ExecutionContext): AggregateContext {
  return host.switchToRpc().getContext<AggregateContext>();
}

function hiddenContext(_data: unknown, host: ExecutionContext): HiddenValue {
  return hiddenValueOf(contextOf(host));
}

interface HiddenValue {
  [CONTEXT]: AggregateContext;
}

/** What Nest puts into the hidden parameter. */
export function hiddenValueOf(context: AggregateContext): HiddenValue {
  context.trace.stage = 'pipe';
  return { [CONTEXT]: context };
}

/** True for the factory of the hidden parameter. */
export function isHiddenContext(factory: unknown): boolean {
  return factory === hiddenContext;
}

/** The hidden parameter. Nest resolves it when the interceptors have called the handler. */
const HiddenContext = createParamDecorator(hiddenContext);

/** The last guard: Nest asks it when all others have let the event pass. */
const LAST_GUARD: CanActivate = {
  canActivate: (host) => {
    contextOf(host).trace.stage = 'interceptor';
    return true;
  },
};

const watched = new WeakSet();
/** The methods behind the wrapped ones. */
const originals = new WeakMap<object, HandlerMethod>();

export type HandlerMethod = (...args: unknown[]) => unknown;

/** The method that the decorator has wrapped; undefined for any other function, and for one that wraps ours. */
export function originalOf(method: object): HandlerMethod | undefined {
  return originals.get(method);
}

/** True for what this file has put among a handler's guards, filters and parameters. */
export function isOfTrace(part: unknown, witness: ErrorWitness): boolean {
  return part === LAST_GUARD || part === hiddenContext || part === witness.filter;
}

/**
 * Adds what must come after every guard and filter of the service, so it is called when all decorators have run. Safe
 * to call twice for a method.
 */
export function watchPipeline(prototype: object, name: string, method: object, witness: ErrorWitness): void {
  if (watched.has(method)) return;
  watched.add(method);
  const descriptor = { value: method };
  UseGuards(LAST_GUARD)(prototype, name, descriptor);
  UseFilters(witness.filter)(prototype, name, descriptor);
}

/** Where the parameters of a method stand that have a decorator. */
export function declaredParameters(target: object, method: string | symbol): number[] {
  const declared = (Reflect.getMetadata(PARAMETERS, target.constructor, method) ?? {}) as Record<
    string,
    { index: number }
  >;
  return Object.values(declared).map(({ index }) => index);
}

/**
 * Wraps the method so that the transport learns how far an attempt came and what the method threw. Nest replaces the
 * error by "Internal server error". A hidden last parameter costs a fraction of a microsecond per event, an interceptor
 * 3 to 7.
 */
export function traceAttempts(
  target: object,
  method: string | symbol,
  descriptor: TypedPropertyDescriptor<unknown>,
): void {
  const original = descriptor.value as HandlerMethod;
  const indices = declaredParameters(target, method);
  // Nest gives an undecorated method the payload; with any decorated parameter it gives only those.
  if (indices.length === 0) Payload()(target, method, 0);
  const hidden = Math.max(original.length - 1, 0, ...indices) + 1;
  HiddenContext()(target, method, hidden);
  const traced = function (this: unknown, ...args: unknown[]): unknown {
    const context = (args[hidden] as { [CONTEXT]?: AggregateContext } | undefined)?.[CONTEXT];
    if (context === undefined) return original.apply(this, args);
    args.length = hidden;
    return runTraced(context, original, this, args);
  };
  // Nest reads a method's metadata by its name and its parameter types by its property.
  Object.defineProperty(traced, 'name', { value: original.name });
  for (const key of Reflect.getMetadataKeys(original) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, original), traced);
  }
  originals.set(traced, original);
  descriptor.value = traced;
}

/** Makes no closure for a handler that returns at once. */
export function runTraced(
  context: AggregateContext,
  method: HandlerMethod,
  self: unknown,
  args: unknown[],
): unknown {
  const { trace } = context;
  if (trace.running !== undefined) {
    // An interceptor tries again although its first call still runs: one at a time, here too.
    const again = (): unknown => runTraced(context, method, self, args);
    return trace.running.then(again, again);
  }
  trace.stage = 'handler';
  trace.thrown = undefined;
  if (!context.mayStart()) {
    throw new AggregateTransportError(
      'LEASE_LOST',
      'the lease ended before the handler could start; it was not started',
    );
  }
  let result: unknown;
  try {
    result = method.apply(self, args);
  } catch (error) {
    return failed(trace, error);
  }
  if (!isThenable(result)) return returned(trace, result);
  // A lazy thenable, such as a query builder, runs once for each `then`.
  const promise = result instanceof Promise ? result : Promise.resolve(result);
  const settled = promise.then(
    (value: unknown) => returned(trace, value),
    (error: unknown) => failed(trace, error),
  );
  trace.running = settled;
  return settled;
}

function failed(trace: AttemptTrace, error: unknown): never {
  trace.running = undefined;
  trace.thrown = { error };
  throw error;
}

function returned(trace: AttemptTrace, result: unknown): unknown {
  trace.running = undefined;
  if (isObservable(result)) return watchRun(result, trace);
  // The handler has done its part: from here on only an interceptor can fail.
  trace.stage = 'interceptor';
  return result;
}
