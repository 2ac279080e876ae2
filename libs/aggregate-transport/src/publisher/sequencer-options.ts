import type { Clock } from '../clock.js';
import type { AggregateTransportError } from '../errors.js';
import type { LogAt } from '../log.js';
import type { BatchingOptions } from './batching.js';
import type { PublishConnector } from './publish-port.js';

/** Hears what failed, for events that are not queued yet. */
export interface FailureListener {
  /**
   * A queued event of this aggregate was refused, or its outcome is unknown. `error` makes what the events queued after
   * it reject with: mostly nothing waits, and an error takes its stack.
   */
  predecessorFailed(token: string, error: () => AggregateTransportError): void;
}

export interface SequencerOptions {
  readonly topic: string;
  readonly connector: PublishConnector;
  /** The most events on the wire at once, over all aggregates. */
  readonly maxInFlight: number;
  /** The most events accepted and without an outcome. */
  readonly maxPending: number;
  /** How long after its first send an event's caller is told OUTCOME_UNKNOWN. */
  readonly giveUpAfterMs: number;
  /** How long the stream knows an event's dedup id. */
  readonly duplicateWindowMs: number;
  readonly batching: BatchingOptions;
  readonly failures?: FailureListener | undefined;
  readonly clock: Clock;
  readonly log: LogAt<'topic'>;
}
