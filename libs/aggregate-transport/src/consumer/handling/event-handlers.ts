import type { Delivery } from '../../message/delivery.js';
import { type HandledTypes, MAX_NAMED_TYPES } from '../../records/member-record.js';
import type { Failure, FailurePolicy } from './outcome.js';

/** Settles when a handler has ended for good: undefined if it handled the event, else what went wrong. */
export type HandlerRun = PromiseLike<Failure | undefined> | Failure | undefined;

/** One handler of a group, as the consumer sees it: what is behind it (Nest, a test) is not its business. */
export interface EventHandler {
  readonly failurePolicy: FailurePolicy;
  /** After this time the attempt's signal aborts, in milliseconds. */
  readonly timeoutMs: number;
  /**
   * Why this event cannot be handled by this release of the service, found without a call; undefined if it can. It is
   * missing where that cannot happen.
   */
  readonly refusalOf?: ((event: Delivery) => Failure | undefined) | undefined;
  /** Runs the handler once. Never throws, never rejects. */
  handle(event: Delivery): HandlerRun;
  /** Takes consecutive events of one aggregate in one call; undefined if it takes each alone. */
  readonly batches?: BatchHandler | undefined;
}

/** Handles several events of one aggregate in one call: all of them, or none. */
export interface BatchHandler {
  /** Events in one call at most, from 1. */
  readonly size: number;
  /** As {@link EventHandler.handle}, for events that stand one behind the other in their lane. */
  handleAll(events: readonly [Delivery, ...Delivery[]]): HandlerRun;
}

/** True if the handler has not ended with its call. */
export function endsLater(ended: HandlerRun): ended is PromiseLike<Failure | undefined> {
  return ended !== undefined && 'then' in ended;
}

/** What to do with an event whose type has no handler. */
export type OnUnhandledType = 'ignore' | 'park' | 'block';

/** The handlers of one group and topic: at most one per event type, and one for every other type. */
export class EventHandlers {
  readonly #byType = new Map<string, EventHandler>();
  #other: EventHandler | undefined;
  /** True if a handler takes several events at once. */
  hasBatches = false;

  /** Returns false if the type, or "every other type", is taken. */
  add(type: string | undefined, handler: EventHandler): boolean {
    this.hasBatches ||= handler.batches !== undefined;
    if (type === undefined) {
      if (this.#other !== undefined) return false;
      this.#other = handler;
      return true;
    }
    if (this.#byType.has(type)) return false;
    this.#byType.set(type, handler);
    return true;
  }

  /** What is handled, in the order of the types' names. */
  get handled(): HandledTypes {
    return {
      types: [...this.#byType.keys()].sort().slice(0, MAX_NAMED_TYPES),
      others: this.#other !== undefined,
    };
  }

  find(type: string): EventHandler | undefined {
    return this.#byType.get(type) ?? this.#other;
  }
}
