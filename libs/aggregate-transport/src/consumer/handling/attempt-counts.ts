import type { FailureStage } from './outcome.js';

/** Counters of attempts since the start of the process. */
export interface AttemptCounts {
  handled: number;
  /** Attempts that failed, by stage. */
  readonly failedIn: Record<FailureStage, number>;
  /** Events passed over because their type has no handler. */
  ignored: number;
  retried: number;
  blocked: number;
  /** Aggregates parked. */
  parked: number;
  skipped: number;
  /** Events that are not started any more because each start ended their process. */
  crashed: number;
}
