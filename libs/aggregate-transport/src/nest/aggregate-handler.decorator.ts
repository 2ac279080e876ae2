import 'reflect-metadata';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { AggregateTransportError } from '../errors.js';
import { checkName, type EventsOf, type Topic, topicNameOf } from '../message/topic.js';
import type { FailurePolicy, OnExhausted, RetryPolicy } from '../settlement/outcome.js';
import type { AggregateContext } from './aggregate.context.js';
import { checkOptions, HANDLER_RULES } from './option-rules.js';
import { AGGREGATE_TRANSPORT } from './tokens.js';

/** Options of one handler; what is missing comes from its topic's options, then the root's. */
export interface AggregateHandlerOptions<K extends string = string> {
  /** The event type or types it handles; without it, every type that has no handler of its own. */
  type?: K | readonly K[];
  /** Another consumer group than the service's: own consumers, own lanes, own pace. */
  group?: string;
  retry?: Partial<RetryPolicy>;
  onExhausted?: OnExhausted;
  /** Decides by the error; see `consume.classify`. */
  classify?: FailurePolicy['classify'];
  /** In milliseconds. */
  timeoutMs?: number;
}

/** What the decorator leaves for the server, as the `extras` of the Nest handler. */
export interface HandlerExtras {
  readonly aggregateHandler: AggregateHandlerOptions & { readonly topic: string };
}

type PayloadOf<M, K> = K extends keyof M ? M[K] : M[keyof M];

/** Accepts methods whose first parameter takes the payload of every type the handler is for. */
type HandlerDecorator<P> = <F extends (payload: P, ...rest: never[]) => unknown>(
  target: object,
  method: string | symbol,
  descriptor: TypedPropertyDescriptor<F>,
) => void;

/** Nest's metadata of decorated parameters: `"<kind>:<index>"` to `{ index, … }` on the class, per method. */
const PARAMETERS = '__routeArguments__';
/** What `EventPattern` and `MessagePattern` leave on a method. */
const PATTERN = 'microservices:pattern';

/**
 * Handles the events of a topic. Events of one aggregate come one at a time and in stored order: the next
 * one starts when this method has returned, and a failed one is tried again in its place.
 *
 * The method belongs to a controller. Its first parameter is the payload (`@Payload()`), then
 * `@AggregateId()`, `@Ctx()` and whatever else Nest can inject. For a typed topic the compiler checks the
 * type name and the payload.
 *
 * @throws OPTIONS_INVALID for unknown options, or on a method with another pattern decorator
 */
export function AggregateHandler<T extends Topic<object>, K extends keyof EventsOf<T> & string>(
  topic: T,
  options?: AggregateHandlerOptions<K>,
): HandlerDecorator<PayloadOf<EventsOf<T>, K>>;
export function AggregateHandler(topic: string, options?: AggregateHandlerOptions): MethodDecorator;
export function AggregateHandler(
  topic: string | { readonly name: string },
  options: AggregateHandlerOptions = {},
): MethodDecorator {
  const name = topicNameOf(topic);
  checkName('topic', name);
  checkOptions(`@AggregateHandler("${name}")`, options, HANDLER_RULES);
  if (options.group !== undefined) checkName('group', options.group);
  const extras: HandlerExtras = { aggregateHandler: { ...options, topic: name } };
  return (target, method, descriptor) => {
    refuseSecondPattern(descriptor.value, `${target.constructor.name}.${String(method)}`);
    traceAttempts(target, method, descriptor as TypedPropertyDescriptor<unknown>);
    // The type argument chooses Nest's untyped overload; its typed one refuses `@Ctx()` parameters.
    const eventPattern = EventPattern<unknown>(name, AGGREGATE_TRANSPORT, extras);
    return eventPattern(target, method, descriptor);
  };
}

function refuseSecondPattern(method: unknown, where: string): void {
  if (typeof method !== 'function' || Reflect.getMetadata(PATTERN, method) === undefined) return;
  throw new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected one pattern decorator on ${where}, found two: the second would silently replace the first; ` +
      'use one method for each, or a list of types',
  );
}

const CONTEXT = Symbol('aggregate-context');

/** The hidden parameter. That Nest resolves it tells that all guards have let the event pass. */
const HiddenContext = createParamDecorator((_data: unknown, host: ExecutionContext) => {
  const context = host.switchToRpc().getContext<AggregateContext>();
  context.trace.stage = 'pipe';
  return { [CONTEXT]: context };
});

/**
 * Wraps the method so that the transport learns how far an attempt came and what the method really threw:
 * Nest replaces the error by "Internal server error". A hidden last parameter costs a fraction of a
 * microsecond per event, an interceptor 3 to 7.
 */
function traceAttempts(
  target: object,
  method: string | symbol,
  descriptor: TypedPropertyDescriptor<unknown>,
): void {
  const original = descriptor.value as (...args: unknown[]) => unknown;
  const declared = (Reflect.getMetadata(PARAMETERS, target.constructor, method) ?? {}) as Record<
    string,
    { index: number }
  >;
  const indices = Object.values(declared).map(({ index }) => index);
  // Nest gives an undecorated method the payload; with any decorated parameter it gives only those.
  if (indices.length === 0) Payload()(target, method, 0);
  const hidden = Math.max(original.length - 1, 0, ...indices) + 1;
  HiddenContext()(target, method, hidden);
  const traced = function (this: unknown, ...args: unknown[]): unknown {
    const context = (args[hidden] as { [CONTEXT]?: AggregateContext } | undefined)?.[CONTEXT];
    if (context === undefined) return original.apply(this, args);
    args.length = hidden;
    return runTraced(context, () => original.apply(this, args));
  };
  // Nest reads a method's metadata by its name and its parameter types by its property.
  Object.defineProperty(traced, 'name', { value: original.name });
  for (const key of Reflect.getMetadataKeys(original) as unknown[]) {
    Reflect.defineMetadata(key, Reflect.getMetadata(key, original), traced);
  }
  descriptor.value = traced;
}

function runTraced(context: AggregateContext, run: () => unknown): unknown {
  const { trace } = context;
  trace.stage = 'handler';
  if (!context.mayStart()) {
    throw new AggregateTransportError(
      'LEASE_LOST',
      'the lease ended before the handler could start; it was not started',
    );
  }
  const note = (error: unknown): never => {
    trace.thrown = { error };
    throw error;
  };
  try {
    const result = run();
    return result instanceof Promise ? result.catch(note) : result;
  } catch (error) {
    return note(error);
  }
}
