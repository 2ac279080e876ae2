import type { LeaseMode } from './lease-options.js';

const RENEWALS_PER_TTL = 5;
const RENEW_AGAIN_MS = 50;
const READS_PER_TTL = 10;
const MAX_READ_EVERY_MS = 500;
const MIN_READ_EVERY_MS = 10;

/** How a lease stands after a step. */
export interface LeaseStanding {
  readonly mode: LeaseMode;
  /** The last request was not answered. */
  readonly isFailing: boolean;
  readonly ttlMs: number;
  /** Until this replica may take it unless it is written meanwhile; 0 or less: now. */
  readonly freeInMs: number;
  /** While other replicas have their turn. */
  readonly turnMs: number;
}

/** How long a lease waits before its next step, in milliseconds. Pure. */
export function pauseMs({ mode, isFailing, ttlMs, freeInMs, turnMs }: LeaseStanding): number {
  if (mode === 'held') return isFailing ? RENEW_AGAIN_MS : ttlMs / RENEWALS_PER_TTL;
  const readMs = Math.max(Math.min(MAX_READ_EVERY_MS, ttlMs / READS_PER_TTL), MIN_READ_EVERY_MS);
  if (mode === 'standby') return Math.max(isFailing ? readMs : freeInMs + 1, MIN_READ_EVERY_MS);
  return Math.max(turnMs, Math.min(readMs, freeInMs + 1), MIN_READ_EVERY_MS);
}
