import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { postBatches } from '../post-batches.js';
import { orderStories } from '../order-stories.js';
import { Progress } from '../progress.js';
import { Service } from '../service.js';
import { printVerdict, type VerdictLine } from '../verdict.js';
import { judge, type JournalReport, readJournal } from './journal.js';

const REPLICAS = ['billing-1', 'billing-2'] as const;
const KILLED = REPLICAS[0];
const KILL_AFTER_SHARE = 0.3;
/** Slow enough that events arrive before the kill, while partitions have no owner, and after it. */
const EVENTS_PER_SECOND = 200;
const LOOK_EVERY_MS = 50;
/** Longer than a lease and any backoff the run can cause: a stalled run ends with a verdict, not never. */
const PATIENCE_MS = 30_000;

export interface BreakSize {
  readonly events: number;
  readonly orders: number;
}

/** What runs, so that all of it can be stopped. */
interface Stage {
  readonly nats: NatsServer;
  readonly orders: Service;
  readonly replicas: readonly Service[];
}

/**
 * Two replicas of billing share the partitions of `orders`. One is killed in the middle; the other must keep the
 * order.
 */
export async function runBreak(size: BreakSize): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'demo-break-'));
  const journal = join(folder, 'journal');
  const nats = await startNatsServer({ config: '' });
  const running: Service[] = [];
  try {
    const started = async (name: string, script: string, readyPath: string): Promise<Service> => {
      const env = { NATS_URL: nats.url, JOURNAL: journal, REPLICA: name };
      const service = await Service.start(name, { script, readyPath, env });
      running.push(service);
      return service;
    };
    const [orders, ...replicas] = await Promise.all([
      started('orders', '../../orders/src/main.js', '/'),
      ...REPLICAS.map((name) => started(name, './break/replica.js', '/handled')),
    ]);
    return await play({ nats, orders, replicas }, journal, size);
  } finally {
    await Promise.all(running.map((service) => service.stop()));
    await nats.stop();
    await rm(folder, { recursive: true });
  }
}

async function play({ nats, orders, replicas }: Stage, journal: string, size: BreakSize): Promise<boolean> {
  const { events, invoices } = orderStories(size.orders, size.events);
  console.log(
    `nats-server ${nats.version}, two replicas of billing, 4 partitions; ${events.length} events of ` +
      `${invoices.length} orders, handlers of 0 to 5 ms, 1 % of first attempts fail`,
  );
  const progress = new Progress('handled', events.length);
  const publishing = postBatches(`${orders.url}/orders/events`, events, EVENTS_PER_SECOND);
  let killedAt: number | undefined;
  let idleMs = 0;
  let report = judge([], KILLED);
  for (let movedAt = Date.now(); report.handled < events.length && Date.now() - movedAt < PATIENCE_MS;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    const now = judge(linesOf(journal), KILLED);
    if (now.lines !== report.lines) {
      if (killedAt !== undefined) idleMs = Math.max(idleMs, Date.now() - movedAt);
      movedAt = Date.now();
    }
    report = now;
    progress.update(report.handled);
    if (killedAt === undefined && report.handled >= KILL_AFTER_SHARE * events.length) {
      killedAt = report.handled;
      await replicas.find(({ name }) => name === KILLED)?.kill();
      console.log(`killed: ${KILLED} (SIGKILL), after ${killedAt} events`);
    }
  }
  progress.end(report.handled);
  const sent = await publishing;
  return printVerdict('Verdict', verdictOf(report, { sent, total: events.length, killedAt }));
}

/** No file before the first handler. */
function linesOf(journal: string): ReturnType<typeof readJournal> {
  try {
    return readJournal(journal);
  } catch {
    return [];
  }
}

function verdictOf(
  report: JournalReport,
  { sent, total, killedAt }: { sent: number; total: number; killedAt: number | undefined },
): VerdictLine[] {
  const [first, second] = REPLICAS.map((name) => report.perReplica.get(name) ?? 0);
  return [
    { what: 'events sent to orders', value: sent, holds: sent === total },
    {
      what: `replica killed with SIGKILL, after events`,
      value: killedAt ?? 0,
      holds: killedAt !== undefined,
    },
    { what: 'handled by the killed replica', value: first ?? 0, holds: first !== 0 },
    { what: 'handled by the other one', value: second ?? 0, holds: second !== 0 },
    {
      what: 'different events handled: none is lost',
      value: report.handled,
      holds: report.handled === total,
    },
    { what: 'events handled again after the kill, in order', value: report.handledAgain },
    { what: 'attempts repeated after a failure', value: report.failed },
    { what: 'order violations', value: report.orderViolations, holds: report.orderViolations === 0 },
    { what: 'handlers of one order at once', value: report.overlaps, holds: report.overlaps === 0 },
  ];
}
