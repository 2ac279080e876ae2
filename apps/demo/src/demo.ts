import { parseArgs } from 'node:util';
import type { PostgresServer } from 'nestjs-aggregate-transport-postgres/testing';
import type { Invoice } from '../../billing/src/invoices.js';
import type { InvoiceTotals } from '../../billing/src/postgres/invoice-rows.js';
import type { WitnessReport } from '../../billing/src/witness.js';
import { startDatabases } from './database-server.js';
import { whenAnnounced, whenCommitted, whenRelayed } from './handled.js';
import { runBreak } from './break/break.js';
import { getJson } from './http.js';
import { type ExpectedInvoice, orderStories } from './order-stories.js';
import { postBatches } from './post-batches.js';
import { Progress } from './progress.js';
import { EMBEDDED, type Services, startServices } from './services.js';
import { printVerdict, type VerdictLine } from './verdict.js';
import { orderLines, speedLines } from './witness-lines.js';

const { values } = parseArgs({
  options: {
    events: { type: 'string' },
    orders: { type: 'string' },
    rate: { type: 'string', default: '2000' },
    postgres: { type: 'boolean', default: false },
    break: { type: 'boolean', default: false },
  },
});
/** A PGlite takes one statement after the other, within its service's only thread. */
const SIZE = values.postgres ? { events: 5_000, orders: 300 } : { events: 1_000, orders: 60 };

/** What is killed, and the share of events whose effects are committed by then. */
const KILLS = [
  { after: 0.15, what: 'billing (SIGKILL)' },
  { after: 0.35, what: 'orders (SIGKILL)' },
  { after: 0.6, what: 'PostgreSQL (SIGKILL)' },
] as const;

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

/** Kills each thing once, when its share is reached. */
class Kills {
  #next = 0;
  #running: Promise<void> = Promise.resolve();

  constructor(
    private readonly services: Services,
    private readonly server: PostgresServer,
    private readonly total: number,
  ) {}

  seen(effects: number): void {
    const kill = KILLS[this.#next];
    if (kill === undefined || effects < kill.after * this.total) return;
    this.#next++;
    console.log(`killed: ${kill.what}, after ${effects} effects`);
    this.#running = this.#running.then(() => this.#kill(kill.what));
  }

  /** Resolves with how many were carried out. */
  async end(): Promise<number> {
    await this.#running;
    return this.#next;
  }

  async #kill(what: (typeof KILLS)[number]['what']): Promise<void> {
    if (what === 'billing (SIGKILL)') await this.services.kill('billing');
    else if (what === 'orders (SIGKILL)') await this.services.kill('orders');
    else {
      await this.server.kill();
      await this.server.start();
    }
  }
}

/** A service that was too busy to renew its lease handles some events again: the inbox knows them. */
function handledAgain({ handled }: WitnessReport, total: number): VerdictLine {
  return { what: 'events handled again, without an effect', value: handled - total };
}

/** What both databases hold, counted by the services. */
function rowLines(
  { sent, orders }: { sent: number; orders: number },
  committed: Awaited<ReturnType<typeof whenRelayed>>,
  totals: InvoiceTotals,
): VerdictLine[] {
  const { entries, waiting } = committed;
  return [
    { what: 'rows that orders committed, one per event', value: entries, holds: entries === sent },
    { what: 'rows left in the outbox', value: waiting, holds: waiting === 0 },
    { what: 'invoices that billing committed', value: totals.invoices, holds: totals.invoices === orders },
    { what: 'effects on them, each event once', value: totals.effects, holds: totals.effects === sent },
    { what: 'effects out of order', value: totals.gaps, holds: totals.gaps === 0 },
  ];
}

async function run(services: Services, server: PostgresServer | undefined): Promise<boolean> {
  const { events, invoices } = orderStories(
    Number(values.orders ?? SIZE.orders),
    Number(values.events ?? SIZE.events),
  );
  const where = server === undefined ? 'a PGlite in each service' : `PostgreSQL ${server.version ?? ''}`;
  console.log(
    `nats-server ${services.natsVersion}, ${where}; ${events.length} events of ${invoices.length} orders, ` +
      'handlers of 0 to 5 ms, 1 % of first attempts fail',
  );
  const progress = new Progress('handled', events.length);
  const kills = server === undefined ? undefined : new Kills(services, server, events.length);
  const startedAt = performance.now();
  const [sent, totals] = await Promise.all([
    postBatches(`${services.ordersUrl}/orders/events`, events, Number(values.rate)),
    whenCommitted(services.billingUrl, events.length, (effects) => {
      progress.update(effects);
      kills?.seen(effects);
    }),
  ]);
  const seconds = (performance.now() - startedAt) / 1_000;
  progress.end(totals.effects);
  const killed = await kills?.end();
  const paid = await whenAnnounced(services.ordersUrl, invoices.length);
  const wrong = wrongInvoices(invoices, (await getJson(`${services.billingUrl}/invoices`)) as Invoice[]);
  const speed = { what: 'events per second (at a steady rate)', value: Math.round(events.length / seconds) };
  // A killed process takes along what it has seen: then only rows tell.
  const witness = (await getJson(`${services.billingUrl}/witness`)) as WitnessReport;
  return printVerdict('Verdict', [
    { what: 'events sent to orders', value: sent, holds: sent === events.length },
    ...rowLines({ sent, orders: invoices.length }, await whenRelayed(services.ordersUrl), totals),
    ...(killed === undefined
      ? [handledAgain(witness, events.length), ...orderLines(witness, events.length, 'order').slice(1)]
      : [{ what: 'kills', value: killed, holds: killed === KILLS.length }]),
    { what: 'wrong invoices', value: wrong, holds: wrong === 0 },
    {
      what: 'paid orders that billing announced, each once',
      value: paid.announcements,
      holds: paid.orders === invoices.length && paid.announcements === invoices.length,
    },
    ...(killed === undefined ? speedLines(witness, speed) : [speed]),
  ]);
}

async function main(): Promise<boolean> {
  if (values.break)
    return runBreak({
      orders: Number(values.orders ?? SIZE.orders),
      events: Number(values.events ?? SIZE.events),
    });
  const database = values.postgres ? await startDatabases() : undefined;
  let services: Services | undefined;
  try {
    services = await startServices({ maxMs: 5, failures: 0.01 }, database?.databases ?? EMBEDDED);
    return await run(services, database?.server);
  } finally {
    await services?.stop();
    await database?.server.stop();
  }
}

process.exitCode = (await main()) ? 0 : 1;
