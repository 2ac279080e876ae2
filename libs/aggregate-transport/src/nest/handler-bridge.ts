import type { MessageHandler } from '@nestjs/microservices';
import { isObservable, type Observable } from 'rxjs';
import type { EventHandler } from '../consumer/event-handlers.js';
import { AggregateTransportError } from '../errors.js';
import type { Delivery } from '../message/delivery.js';
import type { Failure, FailurePolicy } from '../settlement/outcome.js';
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
 * Turns a Nest handler into one that settles exactly once, with a failure if and only if the handler
 * failed. A Nest handler that fails usually resolves: to an Observable that errors, with the error
 * replaced. So the Observable is subscribed to, once (twice would run a handler behind an interceptor
 * twice), and the original error comes from the attempt's trace, or from the witness of its pipeline.
 */
export class HandlerBridge implements EventHandler {
  readonly failurePolicy: FailurePolicy;
  readonly timeoutMs: number;

  constructor(private readonly options: HandlerBridgeOptions) {
    this.failurePolicy = options.failurePolicy;
    this.timeoutMs = options.timeoutMs;
  }

  handle(event: Delivery): Promise<Failure | undefined> {
    const { callback, witness, scope, hooks } = this.options;
    const { envelope } = event;
    if (envelope === undefined) {
      const error = new AggregateTransportError('ENVELOPE_INVALID', 'expected a decoded event, found none');
      return Promise.resolve({ stage: 'decode', error, unrecoverable: true });
    }
    const context = new AggregateContext(event, envelope, scope);
    const mark = witness?.seen ?? 0;
    const wrap = hooks();
    const run = async (): Promise<unknown> => outcomeOf(await callback(envelope.payload, context));
    const ended = wrap === undefined ? run() : wrap(context, run);
    return ended.then(
      () => undefined,
      (error: unknown) => failureOf(context, error, witness?.errorSince(mark)),
    );
  }
}

function outcomeOf(value: unknown): unknown {
  return isObservable(value) ? whenComplete(value) : value;
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
