import type { AttemptCounts } from './handling/attempt-counts.js';
import type { TypeWait } from './handling/missing-handlers.js';
import type { AttemptShare } from './recent-attempts.js';

/** See {@link PartitionConsumer}. */
export type PartitionMode = 'idle' | 'claiming' | 'drained' | 'running' | 'halted' | 'closed';

/**
 * What stopped a partition: a policy or a state of the server, that a newer release wrote its position, or that its
 * group was deleted.
 */
export type HaltCause = 'policy' | 'newer version' | 'deleted';

/** Counted since the start of the process, over all leases. */
export interface PartitionCounts extends Readonly<AttemptCounts> {
  /** Events that became letters after the first one of their aggregate. */
  readonly filed: number;
  /** Letters handled. */
  readonly replayed: number;
  /** Attempts at letters that failed. */
  readonly replaysFailed: number;
  /** Parked aggregates that are live again. */
  readonly unparked: number;
  /** Positions claimed. */
  readonly claims: number;
  /** Readers made on the server. */
  readonly readers: number;
  /** Leases taken, each under an epoch of its own. */
  readonly leases: number;
  /** Leases lost rather than released. */
  readonly leasesLost: number;
  /** Sequences that the stream had dropped before they were read; with several partitions an upper bound. */
  readonly lost: number;
}

/** How a partition stands in this process, from memory alone. Cheap: no lane is looked at. */
export interface PartitionLoad {
  readonly mode: PartitionMode;
  readonly haltReason: string | undefined;
  readonly haltCause: HaltCause | undefined;
  /** How long its position could be neither claimed nor committed, in milliseconds; 0 if it can. */
  readonly notCommittingMs: number;
  /** What was found instead of an answer. */
  readonly notCommittingWhy: string | undefined;
  /** How long no event could be taken in, in milliseconds; 0 if a reader answers and there is room in the position. */
  readonly notReadingMs: number;
  readonly notReadingWhy: string | undefined;
  /** What an operator changes of its readers again and again; undefined if the last one was as it was made. */
  readonly readerEdited: string | undefined;
  /** Handlers that run. */
  readonly inFlight: number;
  /** Aggregates with events here. */
  readonly lanes: number;
  /** Events in lanes, and the bytes of their bodies. */
  readonly events: number;
  readonly bytes: number;
  /** Parked aggregates known here: all of the partition if this process owns it, else none. */
  readonly parked: number;
  /** Why events cannot become letters at the moment: the parked stream is full, or does not answer. */
  readonly letterRefusal: string | undefined;
  /** The type that events have waited longest for, because only other replicas of the group handle it. */
  readonly typeWait: TypeWait | undefined;
  readonly breaker: { readonly isOpen: boolean; readonly prober: string | undefined };
  /** Of the group in this process. */
  readonly attempts: AttemptShare;
}
