import { getJson } from './http.js';
import type { InvoiceTotals } from '../../billing/src/postgres/invoice-rows.js';
import type { OrderRows } from '../../orders/src/postgres/order-rows.controller.js';
import type { PaidOrders } from '../../orders/src/paid-orders.controller.js';
import type { Progress } from './progress.js';

const LOOK_EVERY_MS = 100;
/** Longer than any backoff the run can cause: a stalled run ends with a verdict, not never. */
const PATIENCE_MS = 60_000;

/** Waits until billing has handled `total` events, or nothing moves any more. Resolves with how many it has. */
export async function whenHandled(billingUrl: string, total: number, progress: Progress): Promise<number> {
  let handled = 0;
  let movedAt = Date.now();
  while (handled < total && Date.now() - movedAt < PATIENCE_MS) {
    const now = ((await getJson(`${billingUrl}/witness/handled`)) as { handled: number }).handled;
    if (now !== handled) movedAt = Date.now();
    handled = now;
    progress.update(handled);
    if (handled < total) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return handled;
}

/**
 * Waits until billing has committed `total` effects, or nothing moves any more. Calls `seen` with each new number. A
 * service that is away for the moment is asked again.
 */
export async function whenCommitted(
  billingUrl: string,
  total: number,
  seen: (effects: number) => void,
): Promise<InvoiceTotals> {
  let totals: InvoiceTotals = { invoices: 0, effects: 0, gaps: 0 };
  for (let movedAt = Date.now(); totals.effects < total && Date.now() - movedAt < PATIENCE_MS;) {
    const now = (await getJson(`${billingUrl}/invoices/totals`).catch(() => totals)) as InvoiceTotals;
    if (now.effects !== totals.effects) movedAt = Date.now();
    totals = now;
    seen(totals.effects);
    if (totals.effects < total) await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
  return totals;
}

/**
 * Waits until nothing is left in the outbox, or for long enough. Resolves with what the order service has committed.
 */
export async function whenRelayed(ordersUrl: string): Promise<OrderRows> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const rows = (await getJson(`${ordersUrl}/rows`)) as OrderRows;
    if (rows.waiting === 0 || Date.now() > until) return rows;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** Waits until the order service has heard of `total` payments, or for long enough. Resolves with what it has heard. */
export async function whenAnnounced(ordersUrl: string, total: number): Promise<PaidOrders> {
  const until = Date.now() + PATIENCE_MS;
  for (;;) {
    const paid = (await getJson(`${ordersUrl}/paid`)) as PaidOrders;
    if (paid.orders >= total || Date.now() > until) return paid;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
