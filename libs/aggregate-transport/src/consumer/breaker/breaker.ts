export interface BreakerOptions {
  /** Aggregates of the group that may be parked within `withinMs`; the next one opens the breaker. */
  readonly parked: number;
  /** The time in which aggregates that are parked are counted, in milliseconds. */
  readonly withinMs: number;
  /** It opens only if more than this part of the last `2 * parked` attempts within `withinMs` failed. */
  readonly failedShare: number;
  /** How often one aggregate is tried while the breaker is open, in milliseconds. */
  readonly probeEveryMs: number;
}

/** Where a breaker's partitions hear that it opened or closed. */
export interface BreakerListener {
  /** This process owns the partition. */
  readonly isOwned: boolean;
  /** Nothing starts any more but the lane of `token`, in the partition that has it. */
  opened(token: string): void;
  closed(): void;
}

/** Per aggregate that may be parked. Many more, and an hour that went well would hide that all fails now. */
const ATTEMPTS_REMEMBERED = 2;

/**
 * Tells a broken deploy, or a database that is away, from a poisonous event. The first two fail everything, and parking
 * everything helps no one. There is one breaker per topic and group of a process. Of what the group may park, each
 * process has the part that its partitions are, and at least one. So replicas need not ask each other. Its modes:
 *
 * - `closed`: aggregates are parked as their policy says. Left when a park would be one too many within `withinMs`,
 *   most attempts fail, and no later start has succeeded. "Later" is after the first attempt at the event to park. An
 *   event that failed while later starts succeeded is at fault itself, however often its kind is tried again.
 * - `open`: nothing is parked, and nothing starts but one aggregate every `probeEveryMs`. The first of them is the one
 *   that was one too many. Others follow, because the first may fail for a reason of its own. Left by an attempt that
 *   succeeds, or when the prober's partition goes to another process.
 */
export class Breaker {
  readonly #listeners = new Set<BreakerListener>();
  #parkedAt: number[] = [];
  /** The last attempts as a ring: when each was started, and whether it failed. */
  readonly #startedAt: Float64Array;
  readonly #failed: Uint8Array;
  #attempts = 0;
  /** When the last attempt that succeeded was started. */
  #succeededAt = Number.NEGATIVE_INFINITY;
  #prober: string | undefined;

  constructor(
    readonly options: BreakerOptions,
    /** Of the group, in all replicas. */
    private readonly partitions: number,
  ) {
    this.#startedAt = new Float64Array(ATTEMPTS_REMEMBERED * options.parked);
    this.#failed = new Uint8Array(ATTEMPTS_REMEMBERED * options.parked);
  }

  get isOpen(): boolean {
    return this.#prober !== undefined;
  }

  /** Aggregates that this process may park within `withinMs`. */
  get limit(): number {
    let owned = 0;
    for (const listener of this.#listeners) if (listener.isOwned) owned++;
    return Math.max(1, Math.floor((this.options.parked * owned) / this.partitions));
  }

  listen(listener: BreakerListener): void {
    this.#listeners.add(listener);
  }

  forget(listener: BreakerListener): void {
    this.#listeners.delete(listener);
  }

  /** An attempt has ended that was started then. */
  attempted(failed: boolean, startedAt: number): void {
    const slot = this.#attempts++ % this.#failed.length;
    this.#startedAt[slot] = startedAt;
    this.#failed[slot] = failed ? 1 : 0;
    if (!failed && startedAt > this.#succeededAt) this.#succeededAt = startedAt;
    if (!failed && this.#prober !== undefined) this.#close();
  }

  /**
   * Requests to park `token`, whose event was first attempted at `triedSince`. Opens the breaker if the limit is
   * exceeded; then `token` becomes the probe, or waits for it. True if it may be parked.
   */
  requestPark(token: string, triedSince: number, now: number): boolean {
    if (this.#prober !== undefined) return false;
    this.#parkedAt = this.#parkedAt.filter((at) => now - at < this.options.withinMs);
    const isItsOwnFault = this.#succeededAt > triedSince;
    const { limit } = this;
    if (isItsOwnFault || this.#parkedAt.length < limit || !this.#mostFail(limit, now)) {
      this.#parkedAt.push(now);
      if (this.#parkedAt.length > this.options.parked) this.#parkedAt.shift();
      return true;
    }
    this.#prober = token;
    for (const listener of this.#listeners) listener.opened(token);
    return false;
  }

  /** The aggregate is no longer in this process. If it was the prober, the next failure opens the breaker again. */
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

  #mostFail(limit: number, now: number): boolean {
    let recent = 0;
    let failed = 0;
    const first = Math.max(0, this.#attempts - ATTEMPTS_REMEMBERED * limit);
    for (let attempt = first; attempt < this.#attempts; attempt++) {
      const slot = attempt % this.#failed.length;
      if (now - (this.#startedAt[slot] ?? 0) >= this.options.withinMs) continue;
      recent++;
      failed += this.#failed[slot] ?? 0;
    }
    return failed > this.options.failedShare * recent;
  }
}
