import { randomFor } from './harness/random.js';

/** What becomes of an event in its handler. The same in all processes and all repeats. */
export interface EventFate {
  /** In each process it fails so many times. */
  readonly failures: number;
  /** Parks its aggregate, until it is released. */
  readonly parks: boolean;
  /** How long it takes on top of the handler, in milliseconds. */
  readonly waitMs: number;
}

/** Attempts of an event before it counts as exhausted: more than any fate lets fail. */
export const ATTEMPTS = 4;

const PURPOSE_FATE = 11;
const FAILURE_SHARE = 0.02;
const PARK_SHARE = 0.003;
const MAX_FAILURES = ATTEMPTS - 2;
const USUAL_MS = 6;
/** Some handlers outlast a lease: their successors must wait for them, or be told from them. */
const SLOW_SHARE = 0.012;
const SLOW_MS = 2_500;

/** One aggregate gets this share of all events: a hot one. */
export const HOT_SHARE = 0.15;
/** Of its time, the hottest aggregate spends so much in handlers at most. */
const MAX_BUSY_SHARE = 0.5;
const MEAN_MS = USUAL_MS / 2 + (SLOW_SHARE * SLOW_MS) / 2;

/** Shortens waits, so that the hottest aggregate keeps up with its publisher: 1 at a slow pace, else less. Pure. */
export function waitScaleOf(pace: { readonly eventsPerSecond: number; readonly aggregates: number }): number {
  const { eventsPerSecond, aggregates } = pace;
  const perSecond = eventsPerSecond * (HOT_SHARE + (1 - HOT_SHARE) / aggregates);
  return Math.min(1, (MAX_BUSY_SHARE * 1_000) / perSecond / MEAN_MS);
}

/** What a fate is drawn by, besides its event. */
export interface FateRules {
  readonly seed: number;
  /** See {@link waitScaleOf}. */
  readonly waitScale: number;
}

/** Draws an event's fate. Pure. */
export function fateOf({ seed, waitScale }: FateRules, aggregateId: string, number: number): EventFate {
  const random = randomFor(seed, PURPOSE_FATE, number, ...Buffer.from(aggregateId));
  const failures = random() < FAILURE_SHARE ? 1 + Math.floor(random() * MAX_FAILURES) : 0;
  const parks = random() < PARK_SHARE;
  // Fewer are slow, and as slow as ever: they have to outlast a lease.
  const isSlow = random() < SLOW_SHARE * waitScale;
  const waitMs = isSlow ? random() * SLOW_MS : random() * USUAL_MS * waitScale;
  return { failures, parks, waitMs };
}

/** The file whose existence releases a parked event. */
export function releaseName(aggregateId: string, number: number): string {
  return `${Buffer.from(aggregateId).toString('base64url')}-${number}`;
}
