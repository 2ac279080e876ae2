import { Injectable } from '@nestjs/common';

export interface Invoice {
  orderId: string;
  customer: string;
  status: 'open' | 'paid' | 'shipped';
  cents: number;
  paidCents: number;
  items: number;
  carrier?: string;
}

/** An invoice, and the position of the last event that went into it. */
interface Row {
  readonly invoice: Invoice;
  readonly position: bigint;
}

/**
 * The billing projection. A row and the position of its last event are written together, as they would be in one
 * database transaction. An event that the row already has is skipped, so every event takes effect once although a
 * crash repeats some of them.
 */
@Injectable()
export class Invoices {
  readonly #rows = new Map<string, Row>();

  /** True if the invoice already contains the event with this position. */
  has(orderId: string, position: bigint): boolean {
    return (this.#rows.get(orderId)?.position ?? 0n) >= position;
  }

  open(orderId: string, customer: string, position: bigint): void {
    const invoice: Invoice = { orderId, customer, status: 'open', cents: 0, paidCents: 0, items: 0 };
    this.#rows.set(orderId, { invoice, position });
  }

  change(orderId: string, position: bigint, change: (invoice: Invoice) => Partial<Invoice>): void {
    const row = this.#rows.get(orderId);
    if (row === undefined) throw new Error(`order ${orderId} has no invoice yet`);
    this.#rows.set(orderId, { invoice: { ...row.invoice, ...change(row.invoice) }, position });
  }

  find(orderId: string): Invoice | undefined {
    return this.#rows.get(orderId)?.invoice;
  }

  all(): Invoice[] {
    return [...this.#rows.values()].map(({ invoice }) => invoice);
  }
}
