import type { BatchHandler, EventHandler, HandlerRun } from '../../consumer/handling/event-handlers.js';
import type { AttemptSpans } from '../../consumer/handling/lane-listener.js';
import type { Failure, FailurePolicy } from '../../consumer/handling/outcome.js';
import { AggregateTransportError } from '../../errors.js';
import type { Delivery } from '../../message/delivery.js';
import type { Around } from '../../transport/around.js';
import { AggregateContext, type HandlerScope } from '../handling/aggregate.context.js';
import type { AttemptContexts } from './attempt-contexts.js';
import { BatchContext } from './batch-context.js';
import type { DirectWay } from './direct-call.js';
import type { NestCall } from './nest-call.js';
import type { ProcessingHooks } from './processing-hooks.js';
import { surround } from './surround.js';

export interface HandlerBridgeOptions {
  readonly throughNest: NestCall;
  /** Undefined if all events go through Nest. */
  readonly direct: DirectWay | undefined;
  readonly around: Around | undefined;
  readonly scope: HandlerScope;
  readonly failurePolicy: FailurePolicy;
  readonly timeoutMs: number;
  /** The method takes so many events at once, at most; undefined if it takes each alone. */
  readonly batch: number | undefined;
  /** Undefined while no tool of Nest's wraps messages. With one, every event goes through Nest. */
  readonly hooks: () => ProcessingHooks | undefined;
  readonly contexts: AttemptContexts;
  /** Undefined where attempts are not traced. */
  readonly spans: AttemptSpans | undefined;
}

type Events = Parameters<BatchHandler['handleAll']>[0];

/** A method of a controller, as the consumer sees it: called directly or through Nest, within `consume.around`. */
export class HandlerBridge implements EventHandler {
  readonly failurePolicy: FailurePolicy;
  readonly timeoutMs: number;
  readonly batches: BatchHandler | undefined;
  /** All instances have one form, so asking for it costs the least. */
  readonly refusalOf = undefined;

  constructor(private readonly options: HandlerBridgeOptions) {
    this.failurePolicy = options.failurePolicy;
    this.timeoutMs = options.timeoutMs;
    const { batch } = options;
    this.batches =
      batch === undefined ? undefined : { size: batch, handleAll: (events) => this.#handleAll(events) };
  }

  handle(event: Delivery): HandlerRun {
    if (this.batches !== undefined) return this.#handleAll([event]);
    return this.options.contexts.run(HandlerBridge.#attempt, this, event);
  }

  #handleAll(events: Events): HandlerRun {
    return this.options.contexts.run(HandlerBridge.#attemptAll, this, events);
  }

  static #attempt(this: HandlerBridge, event: Delivery): HandlerRun {
    const { envelope } = event;
    if (envelope === undefined) return notDecoded();
    const { scope, spans } = this.options;
    const context = new AggregateContext(event, envelope, scope);
    if (spans === undefined) return this.#surrounded(context);
    spans.begin(event);
    return spans.within(event, this.#surrounded, this, context);
  }

  static #attemptAll(this: HandlerBridge, events: Events): HandlerRun {
    const contexts: AggregateContext[] = [];
    for (const event of events) {
      if (event.envelope === undefined) return notDecoded();
      contexts.push(new AggregateContext(event, event.envelope, this.options.scope));
    }
    const [head] = events;
    if (head.envelope === undefined) return notDecoded();
    const { scope, spans } = this.options;
    const context = new BatchContext(head, head.envelope, scope, contexts);
    if (spans === undefined) return this.#surrounded(context);
    spans.beginAll(events);
    return spans.within(head, this.#surrounded, this, context);
  }

  #surrounded(context: AggregateContext): HandlerRun {
    const { around } = this.options;
    return around === undefined ? this.#call(context) : surround(around, context, this.#callInside);
  }

  readonly #callInside = (context: AggregateContext): HandlerRun => this.#call(context);

  #call(context: AggregateContext): HandlerRun {
    const { direct, throughNest, hooks } = this.options;
    const wrap = hooks();
    return direct === undefined || wrap !== undefined ? throughNest.run(context, wrap) : direct.run(context);
  }
}

function notDecoded(): Failure {
  const error = new AggregateTransportError('ENVELOPE_INVALID', 'expected a decoded event, found none');
  return { stage: 'decode', error, unrecoverable: true };
}
