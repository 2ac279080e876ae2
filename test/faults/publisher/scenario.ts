/** What the processes of a publisher run agree on. */

/** Events above this size are refused by the stream, for good; the publisher lets them pass. */
export const MAX_STORED_BYTES = 4_096;
export const OVERSIZE_BYTES = 6_000;

/** How the publisher of a run is configured. */
export interface PublisherSetup {
  readonly replicas: 1 | 3;
  readonly maxInFlight: number;
  /** Events of one batch at most; 1: none. */
  readonly maxBatch: number;
  readonly maxPending: number;
  readonly maxBlocked: number;
  readonly giveUpAfterMs: number;
  readonly duplicateWindowMs: number;
  /** The share of events whose schema answers later; 0: the topic has no shapes. */
  readonly laterShare: number;
}

export const PUBLISHER: PublisherSetup = {
  replicas: 1,
  maxInFlight: 2_048,
  maxBatch: 500,
  maxPending: 400,
  maxBlocked: 100,
  giveUpAfterMs: 25_000,
  duplicateWindowMs: 120_000,
  laterShare: 0,
};

/** Other queues stay short, so that a batch pays, and the long one has room. */
export const LONG_QUEUES = { eventsPerSecond: 60, maxPending: 3_000 } as const;
/** A replicated stream holds fewer events in a run. */
export const LONG_QUEUE = { 1: 300, 3: 130 } as const;

/**
 * Gives up early, so that callers hear OUTCOME_UNKNOWN. Copies stop 30 s after the first send, which is longer than any
 * fault holds one back: what comes later than that is not promised.
 */
export const IMPATIENT = { giveUpAfterMs: 3_000, duplicateWindowMs: 40_000 } as const;

/** What a publisher process gets in the environment variable `FAULT_PUBLISHER`, as JSON. */
export interface ProcessSetup extends PublisherSetup {
  readonly seed: number;
  /** Of the process within its run: 1, 2, … */
  readonly life: number;
  readonly urls: readonly string[];
  readonly keys: number;
  readonly eventsPerSecond: number;
  readonly journal: string;
  /** The journals of the lives before, oldest first: what they left open is published again. */
  readonly earlier: readonly string[];
}

/** What the driver tells a publisher process. */
export type Order =
  /** Publishes so many events at once, spread over the keys, or all of one key. */
  | { readonly burst: number; readonly key?: string }
  /** Publishes one event the stream refuses, in the middle of events it would take. */
  | { readonly oversize: string }
  /** Publishes no more, waits for every outcome, writes down the counters and ends. */
  | { readonly stop: true };

export interface Told {
  readonly ready: true;
}
