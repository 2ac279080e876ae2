import type { Delivery } from '../../message/delivery.js';
import type { Envelope } from '../../message/envelope.js';
import type { AggregateBatch } from '../handling/aggregate-batch.js';
import { AggregateContext, type HandlerScope } from '../handling/aggregate.context.js';

/**
 * What guards, interceptors and `consume.around` see of a call with several events: the context of the first event,
 * with the batch as its payload. The handler gets the batch, in which each event has a context of its own.
 */
export class BatchContext extends AggregateContext {
  readonly #contexts: readonly AggregateContext[];

  constructor(
    head: Delivery,
    envelope: Envelope,
    scope: HandlerScope,
    contexts: readonly AggregateContext[],
  ) {
    super(head, envelope, scope);
    this.#contexts = contexts;
  }

  override get payload(): AggregateBatch {
    return this.#contexts.map((context) => ({ payload: context.payload, type: context.type, context }));
  }

  override abandon(reason: unknown): void {
    for (const context of this.#contexts) context.abandon(reason);
  }
}
