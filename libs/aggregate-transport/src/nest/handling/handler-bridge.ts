import type { MessageHandler } from '@nestjs/microservices';
import { isObservable, type Observable } from 'rxjs';
import type { EventHandler } from '../../consumer/handling/event-handlers.js';
import { AggregateTransportError } from '../../errors.js';
import type { Delivery } from '../../message/delivery.js';
import type { Envelope } from '../../message/envelope.js';
import type { Failure, FailurePolicy } from '../../consumer/handling/outcome.js';
import { AggregateContext, type HandlerScope } from './aggregate.context.js';
import type { ErrorWitness } from './error-witness.js';
import { isUnrecoverable } from './unrecoverable.error.js';

/** Nest's tools may wrap every message; undefined while none does. */
export type ProcessingHooks = (context: AggregateContext, run: () => Promise<unknown>) => Promise<unknown>;

export interface HandlerBridgeOptions {
  readonly callback: MessageHandler;
  /** Undefined for a method that was not wrapped. */
  readonly witness: ErrorWitness | undefined;
  readonly scope: HandlerScope;
  readonly failurePolicy: FailurePolicy;
  readonly timeoutMs: number;
  readonly hooks: () => ProcessingHooks | undefined;
}

/**
 * Turns a Nest handler into one that settles exactly once, with a failure if and only if the handler failed. A Nest
 * handler that fails usually resolves: to an Observable that errors, with the error replaced. So the Observable is
 * subscribed to once: twice would run a handler after an interceptor twice. The original error comes from the attempt's
 * trace, or from the witness of its pipeline.
 */
export class HandlerBridge implements EventHandler {
  readonly failurePolicy: FailurePolicy;
  readonly timeoutMs: number;

  constructor(private readonly options: HandlerBridgeOptions) {
    this.failurePolicy = options.failurePolicy;
    this.timeoutMs = options.timeoutMs;
  }

  async handle(event: Delivery): Promise<Failure | undefined> {
    const { witness, scope, hooks } = this.options;
    const { envelope } = event;
    if (envelope === undefined) {
      const error = new AggregateTransportError('ENVELOPE_INVALID', 'expected a decoded event, found none');
      return { stage: 'decode', error, unrecoverable: true };
    }
    const context = new AggregateContext(event, envelope, scope);
    const mark = witness?.seen ?? 0;
    try {
      const wrap = hooks();
      if (wrap !== undefined) {
        await wrap(context, () => this.#run(envelope, context));
        return undefined;
      }
      // Not through #run: one promise less, for every event.
      const value: unknown = await this.options.callback(envelope.payload, context);
      if (isObservable(value)) await whenComplete(value);
      return undefined;
    } catch (error) {
      return failureOf(context, error, witness?.errorSince(mark));
    }
  }

  async #run({ payload }: Envelope, context: AggregateContext): Promise<unknown> {
    const value: unknown = await this.options.callback(payload, context);
    return isObservable(value) ? whenComplete(value) : value;
  }
}

function whenComplete(stream: Observable<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.subscribe({ complete: resolve, error: reject });
  });
}

function failureOf(
  { trace }: AggregateContext,
  error: unknown,
  witnessed: { readonly error: unknown } | undefined,
): Failure {
  const original = trace.thrown ?? witnessed ?? { error };
  return {
    stage: trace.stage,
    error: original.error,
    unrecoverable: isUnrecoverable(original.error) || isUnrecoverable(error),
  };
}
