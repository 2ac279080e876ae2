/** What every process of a run agrees on. */
export const TOPIC = 'faults';
export const GROUP = 'judged';

/** An event as the publisher numbers it, with what its handler is to do. It travels as the payload. */
export interface EventPlan {
  /** The event's number within its key: 1, 2, 3, … */
  readonly n: number;
  /** The first so many attempts of a process fail. */
  readonly failures: number;
  /** Blocks the event loop of the process that handles it first, once. */
  readonly blockMs?: number;
  /** Does not settle for so long, once, and ignores its signal. */
  readonly hangMs?: number;
  /** Kills its process, every time. */
  readonly kills?: boolean;
}

/** How the consumers of a run are configured. */
export interface ConsumerSetup {
  readonly leaseTtlMs: number;
  readonly partitions: number;
  readonly maxAckPending: number;
  readonly concurrency: number;
  readonly drainMs: number;
  /** Of an event, before it counts as exhausted. Above what any plan lets fail. */
  readonly attempts: number;
  /** A handler takes up to this long. */
  readonly maxHandlerMs: number;
  /** Every handler takes exactly `maxHandlerMs`. */
  readonly steadyHandlers: boolean;
  /** The least time between two writes of a position. */
  readonly commitEveryMs: number;
  /** Where the group's first start begins. */
  readonly startAt: 'all' | 'new';
  /** Of the stream and everything beside it; more than one needs a cluster. */
  readonly replicas: number;
}

export const CONSUMERS: ConsumerSetup = {
  leaseTtlMs: 1_500,
  partitions: 2,
  maxAckPending: 2_000,
  concurrency: 64,
  drainMs: 3_000,
  attempts: 4,
  maxHandlerMs: 5,
  steadyHandlers: false,
  commitEveryMs: 5,
  replicas: 1,
  startAt: 'all',
};

/** What a worker process gets in the environment variable `FAULT_WORKER`, as JSON. */
export interface WorkerSetup extends ConsumerSetup {
  readonly url: string;
  readonly journal: string;
  readonly effectSocket: string;
  /** Holds a file per fault that must happen once, whichever process meets it first. */
  readonly onceFolder: string;
}

/** What the effect store gets in the environment variable `FAULT_EFFECTS`, as JSON. */
export interface EffectStoreSetup {
  readonly socket: string;
  readonly journal: string;
  /** Refuse a writer whose epoch is lower than the highest one seen for the partition. */
  readonly fenced: boolean;
}

/** What a worker tells its parent over the channel between them. */
export type WorkerMessage =
  { readonly ready: true } | { readonly held: { readonly partition: number; readonly epoch: number } };
