import type { Delivery } from '../message/delivery.js';

/**
 * Holds everything after a takeover until all unsettled events have arrived again, because redeliveries
 * come in no order that can be trusted: the server puts the first one last under a common race
 * (nats-server issue 6114, seen on 2.10 to 2.15).
 *
 * Counts distinct sequences up to the last delivered one. Known events count too: the server holds an
 * event that runs here as unsettled, and delivers it again like any other.
 */
export class Fence {
  readonly #again = new Map<number, Delivery>();
  readonly #fresh: Delivery[] = [];

  constructor(
    /** How many unsettled events the server holds. */
    private readonly expected: number,
    /** The highest sequence delivered before the takeover. */
    private readonly delivered: number,
  ) {}

  get isOpen(): boolean {
    return this.#again.size >= this.expected;
  }

  get missing(): number {
    return Math.max(0, this.expected - this.#again.size);
  }

  /** Holds a delivery. */
  hold(event: Delivery): void {
    if (event.sequence > this.delivered) this.#fresh.push(event);
    else this.#again.set(event.sequence, event);
  }

  /** Everything held, in stream order. Call once the fence is open. */
  release(): Delivery[] {
    const again = [...this.#again.values()].sort((a, b) => a.sequence - b.sequence);
    return again.concat(this.#fresh);
  }
}
