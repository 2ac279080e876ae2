import { Injectable } from '@nestjs/common';

export interface OrdersEntry {
  readonly owner: string;
  readonly total: number;
  readonly closed?: string;
  /** Of the last event in it. An event that is not above it is a repeat. */
  readonly position: bigint;
}

/** What the events add up to. Keep it in a database, and write the position in the same transaction. */
@Injectable()
export class OrdersView {
  readonly #entries = new Map<string, OrdersEntry>();

  /** Changes an entry, unless it has this event already: after a crash events come again. */
  apply(id: string, position: bigint, change: (entry: OrdersEntry) => OrdersEntry): void {
    const entry = this.#entries.get(id) ?? { owner: '', total: 0, position: 0n };
    if (position > entry.position) this.#entries.set(id, { ...change(entry), position });
  }

  find(id: string): OrdersEntry | undefined {
    return this.#entries.get(id);
  }
}
