import type { Ack, Settleable } from './ack-chain.js';

/** Acks that left together. */
interface Row {
  readonly acks: readonly Ack[];
  readonly sentAt: number;
  /** Confirmations still to come. */
  awaited: number;
  /** Sent once more as another row; a late confirmation counts nevertheless, or a way longer than the patience would never end. */
  isRepeated: boolean;
}

/** A row without a confirmation is sent again after this time. */
const RESEND_AFTER_MS = 400;

/**
 * Acks on their way, and which confirmation stands for which of them.
 *
 * Where acks may get lost one by one, as on their way through a cluster, each asks for a confirmation, a row of its own. Where
 * one connection leads straight to the only server, which works through them one after the other, the acks of a turn
 * are one row, of which the first and the last ask: it holds if both are confirmed. What such a connection loses is an end,
 * and what a consumer misses that is away for a while begins or ends outside the row, so one of the two would be missing (decision 9).
 */
export class AckRows {
  readonly #rows = new Map<number, Row>();
  #lastNumber = 0;
  #areTrusted = false;

  constructor(private readonly sendOne: (event: Settleable, number: number | undefined) => void) {}

  /** True if a turn's acks share their confirmations. */
  get areTrusted(): boolean {
    return this.#areTrusted;
  }

  /** Forgets what is on its way. Numbers are not used again, so late confirmations find nothing. */
  begin(areTrusted: boolean): void {
    this.#rows.clear();
    this.#areTrusted = areTrusted;
  }

  /** Sends acks of different aggregates. */
  send(acks: readonly Ack[], now: number): void {
    if (this.#areTrusted) this.#sendRow(acks, now);
    else for (const ack of acks) this.#sendRow([ack], now);
  }

  /** What is settled by this confirmation. */
  confirmed(number: number): readonly Ack[] {
    const row = this.#rows.get(number);
    if (row === undefined) return NONE;
    this.#rows.delete(number);
    return --row.awaited === 0 ? row.acks : NONE;
  }

  /** Sends again what has waited for too long and is still open. */
  resend(now: number, isOpen: (ack: Ack) => boolean): void {
    const overdue: Ack[] = [];
    // Oldest first: a Map iterates in the order of insertion.
    for (const [number, row] of this.#rows) {
      if (now - row.sentAt < RESEND_AFTER_MS) break;
      const open = row.acks.filter(isOpen);
      if (open.length === 0) this.#rows.delete(number);
      else if (!row.isRepeated) {
        row.isRepeated = true;
        for (const ack of open) overdue.push(ack);
      }
    }
    if (overdue.length > 0) this.send(overdue, now);
  }

  #sendRow(acks: readonly Ack[], now: number): void {
    const row: Row = { acks, sentAt: now, awaited: acks.length === 1 ? 1 : 2, isRepeated: false };
    let left = acks.length;
    for (const ack of acks) {
      const asks = left === acks.length || left === 1;
      if (asks) this.#rows.set(++this.#lastNumber, row);
      this.sendOne(ack, asks ? this.#lastNumber : undefined);
      left--;
    }
  }
}

const NONE: readonly Ack[] = [];
