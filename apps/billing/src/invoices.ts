import { Injectable } from '@nestjs/common';

export interface Invoice {
  orderId: string;
  customer: string;
  status: 'open' | 'paid' | 'shipped';
  cents: number;
  paidCents: number;
  items: number;
  carrier?: string;
  /** Sequence of the last event that went into this invoice. */
  sequence: number;
}

/**
 * The billing projection. A row and the sequence of its last event are written together, as they would be
 * in one database transaction; an event the row already has is skipped. That makes the effect of every
 * event exactly once, although a crash may deliver some of them again.
 */
@Injectable()
export class Invoices {
  readonly #rows = new Map<string, Invoice>();

  /** True if the invoice already contains the event with this sequence. */
  has(orderId: string, sequence: number): boolean {
    return (this.#rows.get(orderId)?.sequence ?? 0) >= sequence;
  }

  open(orderId: string, customer: string, sequence: number): void {
    this.#rows.set(orderId, {
      orderId,
      customer,
      status: 'open',
      cents: 0,
      paidCents: 0,
      items: 0,
      sequence,
    });
  }

  change(orderId: string, sequence: number, change: (invoice: Invoice) => Partial<Invoice>): void {
    const row = this.#rows.get(orderId);
    if (row === undefined) throw new Error(`order ${orderId} has no invoice yet`);
    this.#rows.set(orderId, { ...row, ...change(row), sequence });
  }

  find(orderId: string): Invoice | undefined {
    return this.#rows.get(orderId);
  }

  all(): Invoice[] {
    return [...this.#rows.values()];
  }
}
