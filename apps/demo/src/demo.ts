import { parseArgs } from 'node:util';
import type { Invoice } from '../../billing/src/invoices.js';
import type { WitnessReport } from '../../billing/src/witness.js';
import { whenAnnounced, whenHandled } from './handled.js';
import { getJson, postJson } from './http.js';
import { type ExpectedInvoice, type OrderEvent, orderStories } from './order-stories.js';
import { Progress } from './progress.js';
import { type Services, startServices } from './services.js';
import { printVerdict } from './verdict.js';
import { orderLines, speedLines } from './witness-lines.js';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '5000' },
    orders: { type: 'string', default: '300' },
    rate: { type: 'string', default: '2000' },
  },
});
const BATCH = 100;

/** Sends the batches one after the other, so each order's events are published in order, at a steady rate. */
async function publish(ordersUrl: string, events: readonly OrderEvent[], perSecond: number): Promise<number> {
  const startedAt = performance.now();
  let stored = 0;
  for (let from = 0; from < events.length; from += BATCH) {
    const receipts = await postJson(`${ordersUrl}/orders/events`, events.slice(from, from + BATCH));
    stored += (receipts as unknown[]).length;
    const aheadMs = (stored / perSecond) * 1_000 - (performance.now() - startedAt);
    if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
  }
  return stored;
}

function wrongInvoices(expected: readonly ExpectedInvoice[], found: readonly Invoice[]): number {
  const byId = new Map(found.map((invoice) => [invoice.orderId, invoice]));
  return expected.filter(({ orderId, cents, items }) => {
    const invoice = byId.get(orderId);
    return (
      invoice?.cents !== cents ||
      invoice.items !== items ||
      invoice.paidCents !== cents ||
      invoice.status !== 'shipped'
    );
  }).length;
}

async function run(services: Services): Promise<boolean> {
  const { events, invoices } = orderStories(Number(values.orders), Number(values.events));
  console.log(
    `nats-server ${services.natsVersion}; ${events.length} events of ${invoices.length} orders, ` +
      'handlers of 0 to 5 ms, 1 % of first attempts fail',
  );
  const progress = new Progress('handled', events.length);
  const startedAt = performance.now();
  const [published, handled] = await Promise.all([
    publish(services.ordersUrl, events, Number(values.rate)),
    whenHandled(services.billingUrl, events.length, progress),
  ]);
  const seconds = (performance.now() - startedAt) / 1_000;
  progress.end(handled);
  const witness = (await getJson(`${services.billingUrl}/witness`)) as WitnessReport;
  const paid = await whenAnnounced(services.ordersUrl, invoices.length);
  const wrong = wrongInvoices(invoices, (await getJson(`${services.billingUrl}/invoices`)) as Invoice[]);
  return printVerdict('Verdict', [
    { what: 'events published', value: published, holds: published === events.length },
    ...orderLines(witness, events.length, 'order'),
    { what: 'wrong invoices', value: wrong, holds: wrong === 0 },
    {
      what: 'paid orders that billing announced, each once',
      value: paid.announcements,
      holds: paid.orders === invoices.length && paid.announcements === invoices.length,
    },
    ...speedLines(witness, {
      what: 'events per second (published at a steady rate)',
      value: Math.round(events.length / seconds),
    }),
  ]);
}

const services = await startServices({ maxMs: 5, failures: 0.01 });
try {
  process.exitCode = (await run(services)) ? 0 : 1;
} finally {
  await services.stop();
}
