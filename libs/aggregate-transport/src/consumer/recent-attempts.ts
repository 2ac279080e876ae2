import type { Clock } from '../clock.js';
import type { AttemptSink } from './handling/lane-listener.js';

/** The attempts of a group in this process over a short time. */
export interface AttemptShare {
  readonly withinMs: number;
  readonly total: number;
  readonly failed: number;
  /** So many failed, of so many aggregates, that what fails is not the events. */
  readonly nearlyAllFail: boolean;
  /** Nearly all failed at a time, and none has succeeded since. Waits grow, so few attempts may have been made lately. */
  readonly stillFail: boolean;
}

interface Slice {
  /** Counts slices of time from the clock's zero. */
  number: number;
  total: number;
  failed: number;
  readonly tokens: Set<string>;
}

interface Sum {
  readonly total: number;
  readonly failed: number;
  /** At most {@link LEAST_AGGREGATES} of each slice are told apart. */
  readonly aggregates: number;
}

const WITHIN_MS = 5_000;
const SLICE_MS = 500;
const SLICES = WITHIN_MS / SLICE_MS;
/** Fewer attempts, or attempts of fewer aggregates, may fail for reasons of their own. */
const LEAST_ATTEMPTS = 20;
export const LEAST_AGGREGATES = 5;
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
  #stillFail = false;

  constructor(private readonly clock: Clock) {
    this.#current = this.#sliceOf(this.#numberNow());
  }

  attempted(token: string, failed: boolean): void {
    if (failed) this.#advance();
    const slice = this.#current;
    slice.total++;
    if (failed) slice.failed++;
    if (slice.tokens.size < LEAST_AGGREGATES) slice.tokens.add(token);
    this.#stillFail = failed && (this.#stillFail || this.#nearlyAllFail(this.#sum()));
  }

  get share(): AttemptShare {
    this.#advance();
    const sum = this.#sum();
    const nearlyAllFail = this.#nearlyAllFail(sum);
    const { total, failed } = sum;
    return { withinMs: WITHIN_MS, total, failed, nearlyAllFail, stillFail: this.#stillFail };
  }

  #sum(): Sum {
    const now = this.#current.number;
    let [total, failed] = [0, 0];
    const tokens = new Set<string>();
    for (const slice of this.#slices) {
      if (slice.number <= now - SLICES) continue;
      total += slice.total;
      failed += slice.failed;
      for (const token of slice.tokens) tokens.add(token);
    }
    return { total, failed, aggregates: tokens.size };
  }

  #nearlyAllFail({ total, failed, aggregates }: Sum): boolean {
    return total >= LEAST_ATTEMPTS && aggregates >= LEAST_AGGREGATES && failed > FAILED_SHARE * total;
  }

  #numberNow(): number {
    return Math.floor(this.clock.now() / SLICE_MS);
  }

  #advance(): void {
    const number = this.#numberNow();
    if (this.#current.number !== number) this.#current = this.#sliceOf(number);
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
