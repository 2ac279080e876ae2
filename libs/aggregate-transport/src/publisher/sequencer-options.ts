import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { BatchingOptions } from './batching.js';
import type { PublishListener, PublishPort } from './publish-port.js';

export interface SequencerOptions {
  readonly topic: string;
  readonly connect: (listener: PublishListener) => PublishPort;
  /** Events on the wire at once, over all aggregates. */
  readonly maxInFlight: number;
  /** Events accepted and without an outcome. */
  readonly maxPending: number;
  /** From its first send, how long an event is tried before its caller hears OUTCOME_UNKNOWN. */
  readonly giveUpAfterMs: number;
  /** How long the stream knows an event's id. */
  readonly duplicateWindowMs: number;
  readonly batching: BatchingOptions;
  readonly clock: Clock;
  readonly log: Log;
}
