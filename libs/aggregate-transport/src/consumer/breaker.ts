export interface BreakerOptions {
  /** Aggregates that may be parked within `withinMs`; the next one opens the breaker. */
  readonly parked: number;
  readonly withinMs: number;
  /** It opens only if more than this part of the attempts within `withinMs` failed. */
  readonly failedShare: number;
  readonly probeEveryMs: number;
}

/** Where a breaker's partitions hear that it opened or closed. */
export interface BreakerListener {
  /** Nothing starts any more but the lane of `token`, in the partition that has it. */
  opened(token: string): void;
  closed(): void;
}

const PERIODS = 12;

/**
 * Tells a broken deploy or a database that is away from a poisonous event: the first fails everything, and parking
 * everything helps nobody. One per topic and group of a process. Its modes:
 *
 * - `closed`: aggregates are parked as their policy says. Left when one more than `parked` would be within `withinMs`
 *   and most attempts fail.
 * - `open`: nothing is parked, and nothing starts but one aggregate every `probeEveryMs`, first the one that was one too
 *   many, then others, because it may fail for a reason of its own. Left by an attempt that succeeds, or when the prober's partition goes to another process.
 */
export class Breaker {
  readonly #listeners = new Set<BreakerListener>();
  #parkedAt: number[] = [];
  /** Attempts and failures of the last periods, as a ring. */
  readonly #attempts = new Array<number>(PERIODS).fill(0);
  readonly #failures = new Array<number>(PERIODS).fill(0);
  #period = 0;
  #prober: string | undefined;

  constructor(readonly options: BreakerOptions) {}

  get isOpen(): boolean {
    return this.#prober !== undefined;
  }

  listen(listener: BreakerListener): void {
    this.#listeners.add(listener);
  }

  forget(listener: BreakerListener): void {
    this.#listeners.delete(listener);
  }

  attempted(failed: boolean, now: number): void {
    this.#turnTo(now);
    const slot = this.#period % PERIODS;
    this.#attempts[slot] = (this.#attempts[slot] ?? 0) + 1;
    if (failed) this.#failures[slot] = (this.#failures[slot] ?? 0) + 1;
    else if (this.#prober !== undefined) this.#close();
  }

  /** May this aggregate be parked? If not, it is the one that probes, or waits for the one that does. */
  permits(token: string, now: number): boolean {
    if (this.#prober !== undefined) return false;
    this.#turnTo(now);
    this.#parkedAt = this.#parkedAt.filter((at) => now - at < this.options.withinMs);
    if (this.#parkedAt.length < this.options.parked || !this.#mostFail()) {
      this.#parkedAt.push(now);
      if (this.#parkedAt.length > this.options.parked) this.#parkedAt.shift();
      return true;
    }
    this.#prober = token;
    for (const listener of this.#listeners) listener.opened(token);
    return false;
  }

  /** The aggregate is no longer in this process; if it was the one that probes, the next failure opens the breaker anew. */
  left(token: string): void {
    if (this.#prober === token) this.#close();
  }

  /** Another aggregate of the same partition probes. */
  passOn(token: string): void {
    if (this.#prober === undefined) return;
    this.#prober = token;
    for (const listener of this.#listeners) listener.opened(token);
  }

  get prober(): string | undefined {
    return this.#prober;
  }

  #close(): void {
    this.#prober = undefined;
    for (const listener of this.#listeners) listener.closed();
  }

  #mostFail(): boolean {
    const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
    return sum(this.#failures) > this.options.failedShare * sum(this.#attempts);
  }

  /** Empties the periods that have come round again. */
  #turnTo(now: number): void {
    const period = Math.floor((now * PERIODS) / this.options.withinMs);
    for (let next = Math.max(this.#period + 1, period - PERIODS + 1); next <= period; next++) {
      this.#attempts[next % PERIODS] = 0;
      this.#failures[next % PERIODS] = 0;
    }
    this.#period = Math.max(this.#period, period);
  }
}
