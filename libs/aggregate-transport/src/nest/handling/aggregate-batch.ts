import type { EventsOf } from '../../message/topic.js';
import type { AggregateContext } from './aggregate.context.js';

/** One event of a batch, with what `@Ctx()` would inject for it alone. */
export interface AggregateBatchEvent<P = unknown, K extends string = string> {
  /** After upcasters, schema and pipes. */
  readonly payload: P;
  /** The type that it was published under. */
  readonly type: K;
  /** What `@Ctx()` would inject for it. */
  readonly context: AggregateContext;
}

/** As in `EventIn`: one member per type, so a check of `event.type` narrows `event.payload`. */
type BatchEventIn<M, K extends keyof M & string> = {
  [P in K]: AggregateBatchEvent<M[P], string extends keyof M ? string : P>;
}[K];

/**
 * What a handler with `batch` gets: consecutive events of one aggregate, in stored order, at least one. For a typed
 * topic `AggregateBatch<typeof orders>`, or `AggregateBatch<typeof orders, 'OrderPlaced' | 'OrderPaid'>`.
 */
export type AggregateBatch<
  T = string,
  K extends keyof EventsOf<T> & string = keyof EventsOf<T> & string,
> = readonly BatchEventIn<EventsOf<T>, K>[];
