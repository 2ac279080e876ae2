import type { MessageHandler } from '@nestjs/microservices';
import { isObservable } from 'rxjs';
import type { Failure } from '../../consumer/handling/outcome.js';
import type { AggregateContext } from '../handling/aggregate.context.js';
import { afterMethod, failureOf } from '../handling/attempt-end.js';
import type { ErrorWitness } from '../handling/error-witness.js';
import { whenComplete } from '../handling/observable-end.js';
import type { ProcessingHooks } from './processing-hooks.js';

/**
 * Calls a handler through Nest's pipeline. Settles exactly once, with a failure if and only if the handler failed. A
 * Nest handler that fails usually resolves: to an Observable that errors, with the error replaced. So the Observable is
 * subscribed to once: twice would run a handler after an interceptor twice. The original error comes from the attempt's
 * trace, or from the witness of its pipeline.
 *
 * An attempt ends when its method has ended, not when its pipeline has. An interceptor with a timeout gives up earlier,
 * and what starts next would run beside the method.
 */
export class NestCall {
  constructor(
    private readonly callback: MessageHandler,
    /** Undefined for a method that was not wrapped. */
    private readonly witness: ErrorWitness | undefined,
  ) {}

  /** `hooks` are those of Nest's tools, if there are any. Never rejects. */
  async run(context: AggregateContext, hooks: ProcessingHooks | undefined): Promise<Failure | undefined> {
    const mark = this.witness?.seen ?? 0;
    let failure: Failure | undefined;
    try {
      if (hooks !== undefined) {
        await hooks(context, () => this.#call(context));
      } else {
        // Not through #call: one promise less, for every event.
        const value: unknown = await this.callback(context.payload, context);
        if (isObservable(value)) await whenComplete(value);
      }
    } catch (error) {
      failure = failureOf(context.trace, error, this.witness?.errorSince(mark));
    }
    return context.trace.running === undefined ? failure : afterMethod(context, failure);
  }

  async #call(context: AggregateContext): Promise<unknown> {
    const value: unknown = await this.callback(context.payload, context);
    return isObservable(value) ? whenComplete(value) : value;
  }
}
