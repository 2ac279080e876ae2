import type { Clock } from '../clock.js';
import type { AttemptSink } from './handling/lane-listener.js';

/** The attempts of a group in this process over a short time. */
export interface AttemptShare {
  readonly withinMs: number;
  readonly total: number;
  readonly failed: number;
  /** So many failed, of so many aggregates, that what fails is not the events. */
  readonly nearlyAllFail: boolean;
}

interface Slice {
  /** Counts slices of time from the clock's zero. */
  number: number;
  total: number;
  failed: number;
  readonly tokens: Set<string>;
}

const WITHIN_MS = 5_000;
const SLICE_MS = 500;
const SLICES = WITHIN_MS / SLICE_MS;
/** Fewer attempts, or attempts of fewer aggregates, may fail for reasons of their own. */
const LEAST_ATTEMPTS = 20;
const LEAST_AGGREGATES = 5;
const FAILED_SHARE = 0.9;

/**
 * Tells from the share of failed attempts that nearly everything fails, long before retries are used up. One per topic
 * and group of a process.
 *
 * It is told of every event, so it reads the clock for failures only, and when it is asked. A success counts for the
 * slice of time that was current then, which is exact to the second while health is asked each second.
 */
export class RecentAttempts implements AttemptSink {
  readonly #slices: Slice[] = Array.from({ length: SLICES }, () => ({
    number: Number.NEGATIVE_INFINITY,
    total: 0,
    failed: 0,
    tokens: new Set(),
  }));
  #current: Slice;

  constructor(private readonly clock: Clock) {
    this.#current = this.#sliceOf(this.#numberNow());
  }

  attempted(token: string, failed: boolean): void {
    if (failed) this.#advance();
    const slice = this.#current;
    slice.total++;
    if (failed) slice.failed++;
    if (slice.tokens.size < LEAST_AGGREGATES) slice.tokens.add(token);
  }

  get share(): AttemptShare {
    const now = this.#advance();
    let [total, failed] = [0, 0];
    const tokens = new Set<string>();
    for (const slice of this.#slices) {
      if (slice.number <= now - SLICES) continue;
      total += slice.total;
      failed += slice.failed;
      for (const token of slice.tokens) tokens.add(token);
    }
    const isEnough = total >= LEAST_ATTEMPTS && tokens.size >= LEAST_AGGREGATES;
    return { withinMs: WITHIN_MS, total, failed, nearlyAllFail: isEnough && failed > FAILED_SHARE * total };
  }

  #numberNow(): number {
    return Math.floor(this.clock.now() / SLICE_MS);
  }

  #advance(): number {
    const number = this.#numberNow();
    if (this.#current.number !== number) this.#current = this.#sliceOf(number);
    return number;
  }

  #sliceOf(number: number): Slice {
    const slice = this.#slices[number % SLICES];
    if (slice === undefined) throw new Error(`expected a slice of time ${number}, found none`);
    slice.number = number;
    slice.total = slice.failed = 0;
    slice.tokens.clear();
    return slice;
  }
}
