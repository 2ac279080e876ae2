import { IntervalSet } from '../../settlement/interval-set.js';
import type { Delivery } from '../../message/delivery.js';

/** What a process knows of a sequence. */
export type Knowledge = 'new' | 'in flight' | 'done';

/**
 * What this process knows of the partition's events: which are in its lanes, and which it has handled.
 * It answers, for every delivery, whether the event may start. Everything at or below the server's ack
 * floor is settled and forgotten.
 */
export class Ledger {
  readonly #inFlight = new Map<number, Delivery>();
  readonly #done = new IntervalSet();
  #heldBytes = 0;
  #floor = 0;
  #highest = 0;

  /** Events in lanes, not yet handled. */
  get inFlight(): number {
    return this.#inFlight.size;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** The highest sequence ever taken in. */
  get highest(): number {
    return this.#highest;
  }

  /** Forgets everything: another lease, or another stream. */
  clear(): void {
    this.#inFlight.clear();
    this.#done.clear();
    this.#heldBytes = 0;
    this.#floor = 0;
    this.#highest = 0;
  }

  /** The lowest sequence in a lane; infinity if there is none. */
  lowestInFlight(): number {
    let lowest = Number.POSITIVE_INFINITY;
    for (const sequence of this.#inFlight.keys()) if (sequence < lowest) lowest = sequence;
    return lowest;
  }

  /** The sequences in lanes, ascending. */
  sequencesInFlight(): number[] {
    return [...this.#inFlight.keys()].sort((a, b) => a - b);
  }

  know(sequence: number): Knowledge {
    if (sequence > this.#highest && sequence > this.#floor) return 'new';
    if (this.#inFlight.has(sequence)) return 'in flight';
    return sequence <= this.#floor || this.#done.has(sequence) ? 'done' : 'new';
  }

  /** True if this very delivery is in a lane. */
  holds(event: Delivery): boolean {
    return this.#inFlight.get(event.sequence) === event;
  }

  takeIn(event: Delivery): void {
    this.#inFlight.set(event.sequence, event);
    this.#heldBytes += event.origin.body.length;
    if (event.sequence > this.#highest) this.#highest = event.sequence;
  }

  handled(event: Delivery): void {
    this.#release(event);
    this.#done.add(event.sequence);
  }

  /** The event leaves its lane without having been handled; the server still holds it. */
  dropped(event: Delivery): void {
    this.#release(event);
  }

  /**
   * Every event up to here was settled on the server. A killed server may come back with a lower
   * floor than it confirmed before; ours never goes back, or settled events would start again.
   */
  settledThrough(floor: number): void {
    if (floor <= this.#floor) return;
    this.#floor = floor;
    this.#done.dropThrough(floor);
  }

  /**
   * Calls back with every sequence of `first..last` that is not known to be handled here, ascending.
   * What lies below our floor counts as unknown: only a server that went back asks for it.
   */
  unhandled(first: number, last: number, callback: (sequence: number) => void): void {
    this.#done.missing(first, last, callback);
  }

  #release(event: Delivery): void {
    if (this.#inFlight.delete(event.sequence)) this.#heldBytes -= event.origin.body.length;
  }
}
