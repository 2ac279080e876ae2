import type { EventHandler, HandlerRun } from '../../consumer/handling/event-handlers.js';
import type { FailurePolicy } from '../../consumer/handling/outcome.js';
import { AggregateTransportError } from '../../errors.js';
import type { Delivery } from '../../message/delivery.js';
import type { Around } from '../../transport/around.js';
import { AggregateContext, type HandlerScope } from '../handling/aggregate.context.js';
import type { AttemptContexts } from './attempt-contexts.js';
import { callDirectly } from './direct-call.js';
import type { NestCall } from './nest-call.js';
import type { PlainMethod } from './plain-method.js';
import type { ProcessingHooks } from './processing-hooks.js';
import { surround } from './surround.js';

export interface HandlerBridgeOptions {
  readonly throughNest: NestCall;
  /** The method, if it can be called directly. */
  readonly plain: PlainMethod | undefined;
  readonly around: Around | undefined;
  readonly scope: HandlerScope;
  readonly failurePolicy: FailurePolicy;
  readonly timeoutMs: number;
  /** Undefined while no tool of Nest's wraps messages. With one, every event goes through Nest. */
  readonly hooks: () => ProcessingHooks | undefined;
  readonly contexts: AttemptContexts;
}

/** A method of a controller, as the consumer sees it: called directly or through Nest, within `consume.around`. */
export class HandlerBridge implements EventHandler {
  readonly failurePolicy: FailurePolicy;
  readonly timeoutMs: number;

  constructor(private readonly options: HandlerBridgeOptions) {
    this.failurePolicy = options.failurePolicy;
    this.timeoutMs = options.timeoutMs;
  }

  handle(event: Delivery): HandlerRun {
    return this.options.contexts.run(HandlerBridge.#attempt, this, event);
  }

  static #attempt(this: HandlerBridge, event: Delivery): HandlerRun {
    const { scope, around } = this.options;
    const { envelope } = event;
    if (envelope === undefined) {
      const error = new AggregateTransportError('ENVELOPE_INVALID', 'expected a decoded event, found none');
      return { stage: 'decode', error, unrecoverable: true };
    }
    const context = new AggregateContext(event, envelope, scope);
    return around === undefined ? this.#call(context) : surround(around, context, this.#callInside);
  }

  readonly #callInside = (context: AggregateContext): HandlerRun => this.#call(context);

  #call(context: AggregateContext): HandlerRun {
    const { plain, throughNest, hooks } = this.options;
    const wrap = hooks();
    return plain === undefined || wrap !== undefined
      ? throughNest.run(context, wrap)
      : callDirectly(plain, context);
  }
}
