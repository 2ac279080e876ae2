import 'reflect-metadata';
import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { AggregateTransportError } from '../../errors.js';
import { checkName, type EventsOf, type Topic, topicNameOf, type TopicRef } from '../../message/topic.js';
import type { FailurePolicy, OnExhausted, RetryPolicy } from '../../consumer/handling/outcome.js';
import type { AggregateBatch } from './aggregate-batch.js';
import type { AggregateContext } from './aggregate.context.js';
import { declaredParameters, traceAttempts } from './attempt-trace.js';
import { ErrorWitness } from './error-witness.js';
import { checkOptions, HANDLER_RULES } from '../../transport/option-rules.js';
import { AGGREGATE_TRANSPORT } from '../tokens.js';

/** Options of one handler; what is missing comes from its topic's options, then the root's. */
export interface AggregateHandlerOptions<K extends string = string> {
  /**
   * The event type or types it handles, at least one, none blank. Without it, every type that has no handler of its
   * own.
   */
  type?: K | readonly K[];
  /** Another consumer group than the service's: own positions, own lanes, own pace. */
  group?: string;
  /** Attempts in place, and the waits between them; see `consume.retry`. */
  retry?: Partial<RetryPolicy>;
  /** What follows when attempts are used up; see `consume.onExhausted`. */
  onExhausted?: OnExhausted;
  /** Decides by the error; see `consume.classify`. */
  classify?: FailurePolicy['classify'];
  /** In milliseconds; with `batch`, of one call. */
  timeoutMs?: number;
  /**
   * Events in one call at most, 1 to 1 000. They are consecutive ones of one aggregate, as an {@link AggregateBatch}:
   * the method's only parameter, without decorators. Guards, pipes, interceptors and filters run once per call.
   *
   * All events of a call are settled, or none. After a failed call each is tried again alone, so only the culprit's
   * attempts count. Worth it for handlers that wait for a database. Larger ones hold its locks longer and repeat more
   * after a crash.
   */
  batch?: number;
}

/** What the decorator leaves for the server, as the `extras` of the Nest handler. */
export interface HandlerExtras {
  readonly aggregateHandler: AggregateHandlerOptions & { readonly topic: string };
  /** @internal The topic as the decorator was given it. */
  readonly topicRef?: TopicRef;
  /** @internal */
  readonly witness: ErrorWitness;
  /** @internal Of a bare `EventPattern`, which may name several topics. */
  readonly isAdopted?: boolean;
}

type PayloadIn<M, K> = K extends keyof M ? M[K] : M[keyof M];

/** Accepts methods whose first parameter takes the payload of every type the handler is for. */
type HandlerDecorator<P> = <F extends (payload: P, ...rest: never[]) => unknown>(
  target: object,
  method: string | symbol,
  descriptor: TypedPropertyDescriptor<F>,
) => void;

/** The same for methods that take batches. */
type BatchHandlerDecorator<B> = <F extends (events: B) => unknown>(
  target: object,
  method: string | symbol,
  descriptor: TypedPropertyDescriptor<F>,
) => void;

/** What `EventPattern` and `MessagePattern` leave on a method. */
const PATTERN = 'microservices:pattern';
const EXTRAS = 'microservices:pattern_extras';

/**
 * Handles the events of a topic. Events of one aggregate come one at a time and in stored order. The next one starts
 * when this method has returned; a failed one is tried again in its place.
 *
 * The method belongs to a controller. Its first parameter is the payload (`@Payload()`), then `@AggregateId()`,
 * `@Ctx()` and any other parameter that Nest can inject. For a typed topic the compiler checks the type name and the
 * payload.
 *
 * With `batch` it takes several events of an aggregate at once; see {@link AggregateHandlerOptions.batch}.
 *
 * @throws OPTIONS_INVALID for what is no topic, such as one that a circular import leaves undefined
 * @throws OPTIONS_INVALID for unknown options, and for parameters that a method with `batch` cannot have. Also on a
 *   method with another pattern decorator below it; one above it is seen at start-up
 */
export function AggregateHandler<T extends Topic<object>, K extends keyof EventsOf<T> & string>(
  topic: T,
  options: AggregateHandlerOptions<K> & { batch: number },
): BatchHandlerDecorator<AggregateBatch<T, K>>;
export function AggregateHandler<T extends Topic<object>, K extends keyof EventsOf<T> & string>(
  topic: T,
  options?: AggregateHandlerOptions<K>,
): HandlerDecorator<PayloadIn<EventsOf<T>, K>>;
export function AggregateHandler(topic: string, options?: AggregateHandlerOptions): MethodDecorator;
export function AggregateHandler(topic: TopicRef, options: AggregateHandlerOptions = {}): MethodDecorator {
  const name = topicNameOf(topic, '@AggregateHandler');
  checkName('topic', name);
  checkOptions(`@AggregateHandler("${name}")`, options, HANDLER_RULES);
  if (options.group !== undefined) checkName('group', options.group);
  const extras: HandlerExtras = {
    aggregateHandler: { ...options, topic: name },
    topicRef: topic,
    witness: new ErrorWitness(),
  };
  return (target, method, descriptor) => {
    const where = `${target.constructor.name}.${String(method)}`;
    refuseSecondPattern(descriptor.value, where);
    if (options.batch !== undefined) refuseParameters(target, method, descriptor.value, where);
    traceAttempts(target, method, descriptor as TypedPropertyDescriptor<unknown>);
    // The type argument chooses Nest's untyped overload; its typed one refuses `@Ctx()` parameters.
    const eventPattern = EventPattern<unknown>(name, AGGREGATE_TRANSPORT, extras);
    return eventPattern(target, method, descriptor);
  };
}

/**
 * Makes a method with a bare `@EventPattern(topic, AGGREGATE_TRANSPORT)` what `@AggregateHandler(topic)` makes of it.
 * Call before Nest builds the pipelines.
 * @internal
 */
export function adoptEventPattern(prototype: object, name: string, topics: readonly string[]): void {
  const descriptor: TypedPropertyDescriptor<unknown> = {
    value: (prototype as Record<string, unknown>)[name],
    ...{ configurable: true, writable: true, enumerable: false },
  };
  traceAttempts(prototype, name, descriptor);
  const method = descriptor.value as object;
  const extras: HandlerExtras = {
    ...(Reflect.getMetadata(EXTRAS, method) as object | undefined),
    aggregateHandler: { topic: topics.join(', ') },
    witness: new ErrorWitness(),
    isAdopted: true,
  };
  Reflect.defineMetadata(EXTRAS, extras, method);
  Object.defineProperty(prototype, name, descriptor);
}

/** Nest would fill a decorated parameter with what belongs to one event. */
function refuseParameters(target: object, method: string | symbol, found: unknown, where: string): void {
  const isDecorated = declaredParameters(target, method).length > 0;
  if (!isDecorated && typeof found === 'function' && found.length <= 1) return;
  const what = isDecorated ? 'decorated ones' : 'several';
  throw new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected a method with batch, ${where}, to have one parameter without decorators, found ${what}; each event of the ` +
      'AggregateBatch has its own payload and context',
  );
}

function refuseSecondPattern(method: unknown, where: string): void {
  if (typeof method !== 'function' || Reflect.getMetadata(PATTERN, method) === undefined) return;
  throw secondPatternError(where);
}

/** @internal */
export function secondPatternError(where: string): AggregateTransportError {
  return new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected one pattern decorator on ${where}, found two: the upper one would silently replace the lower; ` +
      'use one method for each, or a list of types',
  );
}

/** @internal How Nest fills a parameter with `@AggregateId()`. */
export function aggregateIdOfHost(_data: unknown, host: ExecutionContext): string {
  return host.switchToRpc().getContext<AggregateContext>().aggregateId;
}

/** Injects the id of the event's aggregate. */
export const AggregateId: () => ParameterDecorator = createParamDecorator(aggregateIdOfHost);
