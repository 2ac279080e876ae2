import type { MessageHandler } from '@nestjs/microservices';
import { isObservable, type Observable } from 'rxjs';
import type { EventHandler } from '../consumer/event-handlers.js';
import { AggregateTransportError } from '../errors.js';
import type { Delivery } from '../message/delivery.js';
import type { Failure, FailurePolicy } from '../settlement/outcome.js';
import { AggregateContext, type HandlerScope } from './aggregate.context.js';
import { isUnrecoverable } from './unrecoverable.error.js';

/** Nest's tools may wrap every message; undefined while none does. */
export type ProcessingHooks = (context: AggregateContext, run: () => Promise<unknown>) => Promise<unknown>;

export interface HandlerBridgeOptions {
  readonly callback: MessageHandler;
  readonly scope: HandlerScope;
  readonly failurePolicy: FailurePolicy;
  readonly timeoutMs: number;
  readonly hooks: () => ProcessingHooks | undefined;
}

/**
 * Turns a Nest handler into one that settles exactly once, with a failure if and only if the handler
 * failed. A Nest handler that fails usually resolves: to an Observable that errors, with the error
 * replaced. So the Observable is subscribed to, once (twice would run a handler behind an interceptor
 * twice), and the original error comes from the attempt's trace.
 */
export class HandlerBridge implements EventHandler {
  readonly failurePolicy: FailurePolicy;
  readonly timeoutMs: number;

  constructor(private readonly options: HandlerBridgeOptions) {
    this.failurePolicy = options.failurePolicy;
    this.timeoutMs = options.timeoutMs;
  }

  handle(event: Delivery): Promise<Failure | undefined> {
    const { callback, scope, hooks } = this.options;
    const { envelope } = event;
    if (envelope === undefined) {
      const error = new AggregateTransportError('ENVELOPE_INVALID', 'expected a decoded event, found none');
      return Promise.resolve({ stage: 'decode', error, unrecoverable: true });
    }
    const context = new AggregateContext(event, envelope, scope);
    const wrap = hooks();
    const run = async (): Promise<unknown> => outcomeOf(await callback(envelope.payload, context));
    const ended = wrap === undefined ? run() : wrap(context, run);
    return ended.then(
      () => undefined,
      (error: unknown) => failureOf(context, error),
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

function failureOf(context: AggregateContext, error: unknown): Failure {
  const { stage, thrown } = context.trace;
  const original = thrown === undefined ? error : thrown.error;
  return { stage, error: original, unrecoverable: isUnrecoverable(original) || isUnrecoverable(error) };
}
