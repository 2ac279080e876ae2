import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { getJson } from '../http.js';
import { postBatches } from '../post-batches.js';
import { orderStories } from '../order-stories.js';
import { Progress } from '../progress.js';
import { Service } from '../service.js';
import { printVerdict, type VerdictLine } from '../verdict.js';
import { judge, type JournalReport, readJournal } from './journal.js';

const REPLICAS = ['billing-1', 'billing-2'] as const;
const KILL_AFTER_SHARE = 0.3;
/** Slow enough that events arrive before the kill, while partitions have no owner, and after it. */
const EVENTS_PER_SECOND = 200;
const LOOK_EVERY_MS = 50;
/** Longer than a lease and any backoff the run can cause: a stalled run ends with a verdict, not never. */
const PATIENCE_MS = 30_000;
/** A replica that starts last gets its share of the partitions from the first one, within seconds. */
const SHARED_WITHIN_MS = 60_000;

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

interface Kill {
  readonly name: string;
  /** Events that both had handled by then. */
  readonly after: number;
}

/**
 * Two replicas of billing share the partitions of `orders`. One that has handled events is killed in the middle; the
 * other must keep the order.
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
      ...REPLICAS.map((name) => started(name, './break/replica.js', '/partitions')),
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
  await whenShared(replicas);
  console.log(
    `nats-server ${nats.version}, two replicas of billing, 4 partitions; ${events.length} events of ` +
      `${invoices.length} orders, handlers of 0 to 5 ms, 1 % of first attempts fail`,
  );
  const progress = new Progress('handled', events.length);
  const publishing = postBatches(`${orders.url}/orders/events`, events, EVENTS_PER_SECOND);
  let kill: Kill | undefined;
  let report = judge([], undefined);
  for (let movedAt = Date.now(); report.handled < events.length && Date.now() - movedAt < PATIENCE_MS;) {
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    const now = judge(linesOf(journal), kill?.name);
    if (now.lines !== report.lines) movedAt = Date.now();
    report = now;
    progress.update(report.handled);
    if (kill === undefined && report.handled >= KILL_AFTER_SHARE * events.length) {
      kill = { name: busiestOf(report), after: report.handled };
      await replicas.find(({ name }) => name === kill?.name)?.kill();
      console.log(`killed: ${kill.name} (SIGKILL), after ${kill.after} events`);
    }
  }
  progress.end(report.handled);
  const sent = await publishing;
  return printVerdict('Verdict', verdictOf(report, { sent, total: events.length, kill }));
}

/** Resolves when each replica owns partitions. Until then the first one does all the work. */
async function whenShared(replicas: readonly Service[]): Promise<void> {
  const until = Date.now() + SHARED_WITHIN_MS;
  for (;;) {
    const owned = await Promise.all(replicas.map(({ url }) => getJson(`${url}/partitions`)));
    const counts = (owned as number[][]).map(({ length }) => length);
    if (counts.every((count) => count > 0)) return;
    if (Date.now() > until)
      throw new Error(
        `expected each replica to own partitions after ${SHARED_WITHIN_MS / 1_000} s, ` +
          `found ${counts.join(' and ')}; run it again while the machine is less busy`,
      );
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}

/** The replica that has handled most: its end must matter. */
function busiestOf({ perReplica }: JournalReport): string {
  const [first, second] = REPLICAS;
  return (perReplica.get(second) ?? 0) > (perReplica.get(first) ?? 0) ? second : first;
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
  { sent, total, kill }: { sent: number; total: number; kill: Kill | undefined },
): VerdictLine[] {
  const killed = kill === undefined ? 0 : (report.perReplica.get(kill.name) ?? 0);
  const other = [...report.perReplica.values()].reduce((sum, count) => sum + count, 0) - killed;
  return [
    { what: 'events sent to orders', value: sent, holds: sent === total },
    {
      what: `replica killed with SIGKILL, after events`,
      value: kill?.after ?? 0,
      holds: kill !== undefined,
    },
    { what: 'handled by the killed replica', value: killed, holds: killed !== 0 },
    { what: 'handled by the other one', value: other, holds: other !== 0 },
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
