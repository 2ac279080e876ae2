import { Injectable } from '@nestjs/common';
import type { AggregateContext } from 'nestjs-aggregate-transport';
import type { QueryingTransaction } from 'nestjs-aggregate-transport-postgres';
import { ServiceDatabase } from '../../../orders/src/postgres/service-database.js';
import type { Invoice } from '../invoices.js';

/** `effects` and `gaps` are for the verdict: each event counts once, and comes after the one before it. */
export const INVOICE_TABLES = `
  create table if not exists invoice (
    order_id text primary key, customer text not null, status text not null default 'open',
    cents int not null default 0, paid_cents int not null default 0, items int not null default 0, carrier text,
    version int not null default 1, effects int not null default 1, gaps int not null default 0
  );`;

/** What the rows of all invoices say together. */
export interface InvoiceTotals {
  invoices: number;
  effects: number;
  gaps: number;
}

/** Invoices in rows. Each change belongs to the transaction that it is given. */
@Injectable()
export class InvoiceRows {
  constructor(private readonly database: ServiceDatabase) {}

  async open(transaction: QueryingTransaction, id: string, customer: string): Promise<void> {
    await transaction.query(
      `insert into invoice as known (order_id, customer) values ($1, $2)
       on conflict (order_id) do update set effects = known.effects + 1, gaps = known.gaps + 1`,
      [id, customer],
    );
  }

  addItem(transaction: QueryingTransaction, ctx: AggregateContext, cents: number): Promise<void> {
    return this.#change(transaction, ctx, 'cents = cents + $3::int, items = items + 1', String(cents));
  }

  pay(transaction: QueryingTransaction, ctx: AggregateContext, cents: number): Promise<void> {
    return this.#change(transaction, ctx, `status = 'paid', paid_cents = $3::int`, String(cents));
  }

  ship(transaction: QueryingTransaction, ctx: AggregateContext, carrier: string): Promise<void> {
    return this.#change(transaction, ctx, `status = 'shipped', carrier = $3`, carrier);
  }

  async all(): Promise<Invoice[]> {
    const rows = await this.database.query(
      `select order_id as "orderId", customer, status, cents, paid_cents as "paidCents", items, carrier from invoice`,
    );
    return rows as unknown as Invoice[];
  }

  async totals(): Promise<InvoiceTotals> {
    const [row] = await this.database.query(
      `select count(*)::int as invoices, coalesce(sum(effects), 0)::int as effects,
         coalesce(sum(gaps), 0)::int as gaps from invoice`,
    );
    return row as unknown as InvoiceTotals;
  }

  async #change(
    transaction: QueryingTransaction,
    { aggregateId, aggregateVersion = 0 }: AggregateContext,
    change: string,
    value: string,
  ): Promise<void> {
    const { rows } = (await transaction.query(
      `update invoice set ${change}, effects = effects + 1, version = $2::int,
         gaps = gaps + case when version = $2::int - 1 then 0 else 1 end
       where order_id = $1 returning order_id`,
      [aggregateId, String(aggregateVersion), value],
    )) as { rows: unknown[] };
    if (rows.length === 0) throw new Error(`order ${aggregateId} has no invoice yet`);
  }
}
