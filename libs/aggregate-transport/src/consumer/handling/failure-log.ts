import type { Clock, Timer } from '../../clock.js';
import type { LogAt } from '../../log.js';

/** How often a summary is logged while attempts fail, in milliseconds. Also the window of {@link MAX_LINES}. */
export const SUMMARY_EVERY_MS = 10_000;
/** Lines of single aggregates within one window. With more of them the summary says more than the lines. */
export const MAX_LINES = 100;
/** Aggregates told apart in one summary; memory is bounded by it. */
const MAX_COUNTED = 10_000;
/** Different faults of `classify` that are logged, each once. */
const MAX_FAULTS = 100;

/**
 * Tells of failing aggregates in few lines. Each aggregate has one for each change of its state: failing, blocked,
 * recovered. A summary tells of the rest. A database that is away fails every attempt of every aggregate, and
 * retries that succeed are no news. One per topic and group of a process. Its modes:
 *
 * - quiet: everything was told. No timer runs.
 * - counting: entered by the first attempt or change without a line, left by the summary.
 */
export class FailureLog {
  readonly #faults = new Set<string>();
  #aggregates = new Set<string>();
  #attempts = 0;
  #recovered = 0;
  #lastWhy = 'none';
  #lines = 0;
  #windowEndsAt = Number.NEGATIVE_INFINITY;
  #summary: Timer | undefined;

  constructor(
    /** For log texts: topic and group. */
    private readonly name: string,
    private readonly clock: Clock,
    private readonly log: LogAt<'group'>,
  ) {}

  /**
   * An attempt has failed. `say` writes the line of its aggregate; undefined if the aggregate's state has not changed
   * by it.
   */
  attemptFailed(token: string, why: string, say?: () => void): void {
    if (say !== undefined && this.#mayWrite()) {
      say();
      return;
    }
    this.#attempts++;
    if (this.#aggregates.size < MAX_COUNTED) this.#aggregates.add(token);
    this.#lastWhy = why;
    this.#count();
  }

  /** An event that had failed is handled; `say` writes its line. */
  recovered(say: () => void): void {
    if (this.#mayWrite()) {
      say();
      return;
    }
    this.#recovered++;
    this.#count();
  }

  /** The answer of `classify` for an event does not count. */
  classifierFailed(name: string, fault: string): void {
    if (this.#faults.has(fault) || this.#faults.size >= MAX_FAULTS) return;
    this.#faults.add(fault);
    this.log.write(
      'classify-invalid',
      { why: fault },
      `${name}: expected classify to answer "retry", "park", "skip", "block", "halt" or undefined, ${fault}; ` +
        'the rest of the policy decides (said once per answer)',
    );
  }

  /** Logs the summary now, if there is something to tell. */
  flush(): void {
    this.#summary?.cancel();
    this.#summary = undefined;
    if (this.#attempts + this.#recovered === 0) return;
    const { size } = this.#aggregates;
    const aggregates = `${size}${size === MAX_COUNTED ? ' or more' : ''} aggregate(s)`;
    this.log.write(
      'failures-summed',
      { count: this.#attempts, aggregates: size, recovered: this.#recovered, why: this.#lastWhy },
      `${this.name}: ${this.#attempts} further attempt(s) of ${aggregates} failed and ${this.#recovered} further event(s) ` +
        `recovered within ${SUMMARY_EVERY_MS / 1_000} s; the last failure: ${this.#lastWhy}`,
    );
    this.#aggregates = new Set();
    this.#attempts = 0;
    this.#recovered = 0;
  }

  /** Counts a line. False if this window has had its lines. */
  #mayWrite(): boolean {
    const now = this.clock.now();
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + SUMMARY_EVERY_MS;
      this.#lines = 0;
    }
    if (this.#lines >= MAX_LINES) return false;
    this.#lines++;
    return true;
  }

  #count(): void {
    this.#summary ??= this.clock.after(SUMMARY_EVERY_MS, () => this.flush());
  }
}
