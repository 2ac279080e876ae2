import type { MessageHandler } from '@nestjs/microservices';
import { isObservable, type Observable } from 'rxjs';
import type { EventHandler } from '../../consumer/handling/event-handlers.js';
import { AggregateTransportError } from '../../errors.js';
import type { Delivery } from '../../message/delivery.js';
import type { Envelope } from '../../message/envelope.js';
import type { Failure, FailurePolicy } from '../../consumer/handling/outcome.js';
import { AggregateContext, type HandlerScope } from './aggregate.context.js';
import type { AttemptContexts } from './attempt-contexts.js';
import type { ErrorWitness } from './error-witness.js';
import { whenMethodEnded } from './method-runs.js';
import type { ProcessingHooks } from './processing-hooks.js';
import { isUnrecoverable } from './unrecoverable.error.js';

export interface HandlerBridgeOptions {
  readonly callback: MessageHandler;
  readonly witness: ErrorWitness;
  readonly scope: HandlerScope;
  readonly failurePolicy: FailurePolicy;
  readonly timeoutMs: number;
  /** Undefined while no tool of Nest's wraps messages. */
  readonly hooks: () => ProcessingHooks | undefined;
  readonly contexts: AttemptContexts;
}

/**
 * Turns a Nest handler into one that settles exactly once, with a failure if and only if the handler failed. A Nest
 * handler that fails usually resolves: to an Observable that errors, with the error replaced. So the Observable is
 * subscribed to once: twice would run a handler after an interceptor twice. The original error comes from the attempt's
 * trace, or from the witness of its pipeline.
 *
 * An attempt ends when its method has ended, not when its pipeline has. An interceptor with a timeout gives up earlier,
 * and what starts next would run beside the method.
 */
export class HandlerBridge implements EventHandler {
  readonly failurePolicy: FailurePolicy;
  readonly timeoutMs: number;

  constructor(private readonly options: HandlerBridgeOptions) {
    this.failurePolicy = options.failurePolicy;
    this.timeoutMs = options.timeoutMs;
  }

  handle(event: Delivery): Promise<Failure | undefined> {
    return this.options.contexts.run(HandlerBridge.#attempt, this, event);
  }

  static async #attempt(this: HandlerBridge, event: Delivery): Promise<Failure | undefined> {
    const { witness, scope, hooks } = this.options;
    const { envelope } = event;
    if (envelope === undefined) {
      const error = new AggregateTransportError('ENVELOPE_INVALID', 'expected a decoded event, found none');
      return { stage: 'decode', error, unrecoverable: true };
    }
    const context = new AggregateContext(event, envelope, scope);
    const mark = witness.seen;
    let failure: Failure | undefined;
    try {
      const wrap = hooks();
      if (wrap !== undefined) {
        await wrap(context, () => this.#run(envelope, context));
      } else {
        // Not through #run: one promise less, for every event.
        const value: unknown = await this.options.callback(envelope.payload, context);
        if (isObservable(value)) await whenComplete(value);
      }
    } catch (error) {
      failure = failureOf(context, error, witness.errorSince(mark));
    }
    return context.trace.running === undefined ? failure : afterMethod(context, failure);
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

/**
 * The pipeline has ended and the method runs. The pipeline has not seen how the method ends, so it cannot have
 * swallowed its error. A method that fails now has failed. One that succeeds leaves the pipeline's own failure, if any.
 */
async function afterMethod(
  context: AggregateContext,
  failure: Failure | undefined,
): Promise<Failure | undefined> {
  const { trace } = context;
  context.abandon(
    new AggregateTransportError(
      'HANDLER_TIMED_OUT',
      'expected the handler to end before its interceptors, found that one of them gave up first; ' +
        'its lane waits until it settles',
      { cause: failure?.error },
    ),
  );
  await whenMethodEnded(trace);
  const unrecoverable = failure?.unrecoverable === true;
  if (trace.thrown !== undefined) {
    const { error } = trace.thrown;
    return { stage: 'handler', error, unrecoverable: unrecoverable || isUnrecoverable(error) };
  }
  return failure && { ...failure, stage: 'interceptor' };
}
