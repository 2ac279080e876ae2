import type { LaneMode } from '../executor/lane.js';
import type { AttemptFailure } from '../message/delivery.js';
import type { AttemptCounts } from './handling/attempts.js';

/** See {@link PartitionConsumer}. */
export type PartitionMode = 'idle' | 'taking over' | 'running' | 'halted' | 'closed';

/** An aggregate whose lane does not move, or not fast, as it stands this moment. Names, numbers and reasons; no payload. */
export interface AggregateLook {
  readonly aggregateId: string;
  /** The event at the head of its lane, in the topic's stream; 0 while a letter is looked for. */
  readonly sequence: number;
  readonly type: string | undefined;
  /** `running`: its handler runs; `waiting`: for its next attempt; `ready`: for a free handler; `closed`: for something else. */
  readonly state: LaneMode;
  /** Attempts at that event in this process, the running one included. */
  readonly attempts: number;
  /** Since the first of them began, in milliseconds. */
  readonly ageMs: number;
  /** Events in its lane. */
  readonly queued: number;
  /** Its handler has not settled for twice its `timeoutMs`. */
  readonly isStuck: boolean;
  /** The event is a letter that is handled again. */
  readonly isLetter: boolean;
  readonly lastFailure: AttemptFailure | undefined;
}

/** What all lanes of a partition say together. */
export interface LanesLook {
  /** Lanes that try for ever, because a guard refuses or by `onExhausted: 'block'`. */
  readonly blocked: number;
  /** Those of them that wait for a guard. */
  readonly refusedByGuard: number;
  readonly stuck: number;
  /** Stuck and blocked ones first, then the oldest. */
  readonly slowest: readonly AggregateLook[];
}

/** Counted since the start of the process, over all leases. */
export interface PartitionCounts extends Readonly<AttemptCounts> {
  /** Events that became letters behind the first one of their aggregate. */
  readonly filed: number;
  /** Letters handled. */
  readonly replayed: number;
  /** Attempts at letters that failed. */
  readonly replaysFailed: number;
  readonly unparked: number;
  readonly takeovers: number;
  /** Leases taken, each under an epoch of its own. */
  readonly leases: number;
  /** Leases lost rather than let go. */
  readonly leasesLost: number;
  /** Sequences that the stream had dropped before they were delivered: see {@link StreamMemory.lost}. */
  readonly lost: number;
}

/** How a partition stands in this process, from memory alone. Cheap: nothing is gone through. */
export interface PartitionLoad {
  readonly mode: PartitionMode;
  readonly haltReason: string | undefined;
  /** Handlers that run. */
  readonly inFlight: number;
  /** Aggregates with events here. */
  readonly lanes: number;
  /** Events in lanes, and the bytes of their bodies. */
  readonly events: number;
  readonly bytes: number;
  /** Parked aggregates this process knows of: all of the partition if it owns it, else none. */
  readonly parked: number;
  /** Why events cannot become letters at the moment: the parked stream is full, or does not answer. */
  readonly letterRefusal: string | undefined;
  readonly breaker: { readonly isOpen: boolean; readonly prober: string | undefined };
}
