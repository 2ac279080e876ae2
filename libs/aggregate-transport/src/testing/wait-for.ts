import { type Clock, delay } from '../clock.js';
import { AggregateTransportError } from '../errors.js';

/** How long a test waits by default, in milliseconds of real time. */
const DEFAULT_WITHIN_MS = 5_000;
/** Between two looks, in milliseconds of real time. */
const LOOK_EVERY_MS = 5;

export interface Wait<T> {
  /** The condition: true, or what is waited for. */
  readonly look: () => T | Promise<T>;
  /** Runs before each look. */
  readonly settle: () => Promise<void>;
  /** Of real time, in milliseconds. */
  readonly withinMs: number | undefined;
  /** What is waited for, and what is there instead, for the error. */
  readonly expected: string;
  readonly found: () => string;
  /** Real time: that of the streams stands still. */
  readonly clock: Clock;
}

/**
 * Looks again and again until something is there, and resolves with it.
 * @throws TEST_TIMED_OUT
 */
export async function waitFor<T>(wait: Wait<T>): Promise<NonNullable<T>> {
  const { look, settle, clock, withinMs = DEFAULT_WITHIN_MS } = wait;
  const since = clock.now();
  for (;;) {
    await settle();
    const seen = await look();
    if (seen !== undefined && seen !== null && (seen as unknown) !== false) return seen;
    if (clock.now() - since >= withinMs) break;
    await delay(clock, LOOK_EVERY_MS);
  }
  throw new AggregateTransportError(
    'TEST_TIMED_OUT',
    `expected ${wait.expected} within ${withinMs} ms, found ${wait.found()}; ` +
      'a retry or a timer of the transport waits until the test calls advance()',
  );
}
