import type { Delivery } from '../../message/delivery.js';
import type { ParkNote } from '../../message/park-reason.js';
import type { Failure, FailureStage } from './outcome.js';

/** The partition, as its lanes see it. */
export interface LaneListener {
  /** False once the partition may belong to another process: no attempt starts then. */
  mayStart(): boolean;
  /** False if the event was taken in during a tenure that has ended: how it ends counts for nothing. */
  isCurrent(event: Delivery): boolean;
  /** The event is handled, or a letter, or needs no handler. */
  settled(event: Delivery): void;
  /** Handlers had to wait for the processor, and none does any more: there is room for more events. */
  caughtUp(): void;
  /** Stops the partition. */
  halt(reason: string): void;
}

/**
 * What is known of the confirmed position. A letter is handled or removed only after all earlier events of its
 * aggregate are settled in it.
 */
export interface ConfirmedPlace {
  /** When the topic's stream was made. */
  readonly created: string;
  /** True if every event of the partition up to this sequence was read, or is settled in the claimed record. */
  hasRead(sequence: number): boolean;
  /** True if this very event is still to be read. */
  isListed(sequence: number): boolean;
  /** Names what is settled up to now. */
  ticket(): number;
  isConfirmed(ticket: number): boolean;
}

/** What the replay of one aggregate needs of its partition besides. */
export interface ReplayPlace extends ConfirmedPlace {
  /** True if everything was read that an earlier owner may have started. */
  hasReadInherited(): boolean;
  /**
   * Lets the run of the partition grow, for events after all that any owner may have started. Undefined if that is
   * impossible now: ask again later.
   */
  raiseRun(): Promise<{ readonly run: number; readonly through: number } | undefined>;
}

/** Counts attempts, for all partitions of a group in this process. Told of every event, so it must be cheap. */
export interface AttemptSink {
  attempted(token: string, failed: boolean): void;
}

/** The other replicas of the group. */
export interface OtherReplicas {
  /** True if another live replica handles this event type, or may. */
  handlesElsewhere(type: string): boolean;
}

/** What follows an attempt. `kept`: the breaker keeps its event from being parked. `lost`: the lease ended first. */
export type AttemptOutcome =
  'handled' | 'retried' | 'blocked' | 'parked' | 'skipped' | 'halted' | 'kept' | 'lost';

/** Traces attempts. Nothing it does may throw. */
export interface AttemptSpans {
  /** An attempt at this event begins. */
  begin(event: Delivery): void;
  /** An attempt at these events together begins. */
  beginAll(events: readonly [Delivery, ...Delivery[]]): void;
  /** Calls the method of `self`, which does not throw, in the context of the attempt that was begun. */
  within<S, A, R>(event: Delivery, method: (this: S, argument: A) => R, self: S, argument: A): R;
  /** An attempt has failed, no matter whether its handler was reached. */
  noteFailed(event: Delivery): void;
  /** What follows the attempt is decided. Of several events together, `event` is any. */
  ended(event: Delivery, outcome: AttemptOutcome, failure: Failure | undefined): void;
}

/** Hears what happens to aggregates, and how long handlers take. Nothing it does may throw. */
export interface LaneObserver {
  parked(event: Delivery, note: ParkNote): void;
  unparked(aggregateId: string): void;
  stuck(event: Delivery, ageMs: number): void;
  /** Undefined where attempts are not traced. */
  readonly spans?: AttemptSpans | undefined;
  /** The one call per event; undefined where nothing is measured, and then no clock is read for it. */
  attemptEnded?: (ms: number, failedIn: FailureStage | undefined) => void;
}
