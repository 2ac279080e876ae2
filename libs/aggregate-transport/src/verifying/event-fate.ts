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
const SLOW_SHARE = 0.004;
const SLOW_MS = 2_500;

/** Draws an event's fate by the seed. Pure. */
export function fateOf(seed: number, aggregateId: string, number: number): EventFate {
  const random = randomFor(seed, PURPOSE_FATE, number, ...Buffer.from(aggregateId));
  const failures = random() < FAILURE_SHARE ? 1 + Math.floor(random() * MAX_FAILURES) : 0;
  const parks = random() < PARK_SHARE;
  const waitMs = random() < SLOW_SHARE ? random() * SLOW_MS : random() * USUAL_MS;
  return { failures, parks, waitMs };
}

/** The file whose existence releases a parked event. */
export function releaseName(aggregateId: string, number: number): string {
  return `${Buffer.from(aggregateId).toString('base64url')}-${number}`;
}
