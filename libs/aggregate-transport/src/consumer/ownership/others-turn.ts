import type { Clock } from '../../clock.js';

/** The time in which a replica that could not use its lease leaves it to the others. */
export class OthersTurn {
  #endsAt = 0;

  constructor(
    private readonly clock: Clock,
    private readonly ttlMs: number,
    private readonly marginMs: number,
  ) {}

  /** From now on, for so many ttls of the lease and a margin. */
  leave(ttls: number): void {
    this.#endsAt = this.clock.now() + ttls * this.ttlMs + this.marginMs;
  }

  remainingMs(): number {
    return Math.max(0, this.#endsAt - this.clock.now());
  }
}
