import type { LaneMode } from '../../executor/lane.js';
import type { AttemptFailure } from '../../message/delivery.js';

/** An aggregate whose lane does not move, or not fast, as it stands this moment. Names, numbers and reasons; no payload. */
export interface AggregateStatus {
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
export interface LaneReport {
  /** Lanes that try for ever, because a guard refuses or by `onExhausted: 'block'`. */
  readonly blocked: number;
  /** Those of them that wait for a guard. */
  readonly refusedByGuard: number;
  readonly stuck: number;
  /** Stuck and blocked ones first, then the oldest. */
  readonly slowest: readonly AggregateStatus[];
}
