import type { BreakerOptions } from '#library/consumer/breaker/breaker.js';

/** The group whose parked aggregates are judged. */
export const PARKING_GROUP = 'judged';
/** What the workers get in this environment variable, as JSON. */
export const SETUP_VARIABLE = 'PARKING_WORKER';
/** While this cause stands every handler fails. */
export const OUTAGE = 'outage';

/** What a handler does while the cause of its event stands. */
export type Trouble = 'fail' | 'skip' | 'exit' | 'hang';

/** An event's payload: its number within its key, and what goes wrong with it. */
export interface Plan {
  readonly n: number;
  /** Names a cause that can be removed; without one the event is well. */
  readonly cause?: string;
  readonly trouble?: Trouble;
  /** A failing handler takes this long. */
  readonly lateMs?: number;
  /** Makes the event large. */
  readonly pad?: string;
}

export interface WorkerSetup {
  readonly url: string;
  readonly topic: string;
  readonly journal: string;
  /** A file per cause that stands. */
  readonly causes: string;
  readonly leaseTtlMs: number;
  readonly partitions: number;
  readonly attempts: number;
  readonly maxAckPending: number;
  readonly batch: number;
  readonly concurrency: number;
  readonly handlerMs: number;
  readonly commitEveryMs: number;
  readonly maxBufferedBytes: number;
  readonly maxLetters: number;
  readonly breaker: Partial<BreakerOptions>;
}

export const WORKERS: Omit<WorkerSetup, 'url' | 'topic' | 'journal' | 'causes'> = {
  leaseTtlMs: 1_000,
  partitions: 1,
  attempts: 2,
  maxAckPending: 2_000,
  batch: 500,
  concurrency: 64,
  handlerMs: 0,
  commitEveryMs: 5,
  maxBufferedBytes: 64 * 2 ** 20,
  maxLetters: 1_000_000,
  breaker: {},
};

/** What a worker tells its parent. */
export type WorkerMessage = { readonly ready: true } | { readonly held: number };

/** A run of a handler, as it is written down twice: when it starts and when it ends. */
export interface Run {
  readonly key: string;
  readonly n: number;
  readonly seq: number;
  readonly epoch: number;
  readonly partition: number;
  readonly attempt: number;
  /** How often the group had begun again, and whether it had been here before that. */
  readonly run: number;
  readonly isReplay: boolean;
}

export type ParkingLine =
  | ({ readonly what: 'start' } & Run)
  | ({ readonly what: 'end'; readonly ok: boolean } & Run)
  | { readonly what: 'log'; readonly level: string; readonly text: string };
