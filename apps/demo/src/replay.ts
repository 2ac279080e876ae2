import { parseArgs } from 'node:util';
import type { HistoryEntry } from '../../billing/src/history.controller.js';
import type { WitnessReport } from '../../billing/src/witness.js';
import { EventLogError, type LoggedEvent, readEventLog } from './event-log.js';
import { whenHandled } from './handled.js';
import { getJson, postJson } from './http.js';
import { Progress } from './progress.js';
import { startServices } from './services.js';
import { printVerdict } from './verdict.js';
import { orderLines, speedLines } from './witness-lines.js';

const USAGE = 'npm run replay -- FILE.csv --aggregate COLUMN --type COLUMN [--order COLUMN]';
const BATCH = 500;
const LOOKS_AT_ONCE = 8;

function readArguments(): { file: string; events: LoggedEvent[] } {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { aggregate: { type: 'string' }, type: { type: 'string' }, order: { type: 'string' } },
  });
  const [file] = positionals;
  const { aggregate, type, order } = values;
  if (file === undefined || aggregate === undefined || type === undefined) {
    throw new EventLogError(`expected a file and the columns of aggregate and type; usage: ${USAGE}`);
  }
  return { file, events: readEventLog(file, { aggregate, type, order }) };
}

function byAggregate(events: readonly LoggedEvent[]): Map<string, LoggedEvent[]> {
  const histories = new Map<string, LoggedEvent[]>();
  for (const event of events) {
    const history = histories.get(event.aggregateId);
    if (history === undefined) histories.set(event.aggregateId, [event]);
    else history.push(event);
  }
  return histories;
}

async function publish(ordersUrl: string, events: readonly LoggedEvent[]): Promise<number> {
  const versions = new Map<string, number>();
  let stored = 0;
  for (let from = 0; from < events.length; from += BATCH) {
    const batch = events.slice(from, from + BATCH).map(({ aggregateId, type, row }) => {
      const aggregateVersion = (versions.get(aggregateId) ?? 0) + 1;
      versions.set(aggregateId, aggregateVersion);
      return { aggregateId, type, aggregateVersion, payload: row };
    });
    stored += ((await postJson(`${ordersUrl}/journal`, batch)) as { stored: number }).stored;
  }
  return stored;
}

/** Compares each aggregate's rebuilt history with the file, row by row; returns the first differences in words. */
async function compare(billingUrl: string, expected: Map<string, LoggedEvent[]>): Promise<string[]> {
  const differences: string[] = [];
  const queue = [...expected];
  const look = async (): Promise<void> => {
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const [id, rows] = next;
      const found = (await getJson(`${billingUrl}/history/${encodeURIComponent(id)}`)) as HistoryEntry[];
      if (found.length !== rows.length) {
        differences.push(`${id}: ${rows.length} rows in the file, ${found.length} in its history`);
      }
      const wrong = rows.find((row, index) => !sameRow(row, found[index]));
      if (wrong !== undefined) differences.push(`${id}: its history differs from line ${wrong.line} on`);
    }
  };
  await Promise.all(Array.from({ length: LOOKS_AT_ONCE }, look));
  return differences;
}

function sameRow(row: LoggedEvent, entry: HistoryEntry | undefined): boolean {
  return entry?.type === row.type && JSON.stringify(entry.payload) === JSON.stringify(row.row);
}

async function run(file: string, events: readonly LoggedEvent[]): Promise<boolean> {
  const histories = byAggregate(events);
  const services = await startServices({ maxMs: 2, failures: 0.01 });
  try {
    console.log(
      `nats-server ${services.natsVersion}; ${events.length} events of ${histories.size} aggregates from ${file}`,
    );
    const progress = new Progress('handled', events.length);
    const startedAt = performance.now();
    const [published, handled] = await Promise.all([
      publish(services.ordersUrl, events),
      whenHandled(services.billingUrl, events.length, progress),
    ]);
    const seconds = (performance.now() - startedAt) / 1_000;
    progress.end(handled);
    const differences = await compare(services.billingUrl, histories);
    for (const difference of differences.slice(0, 10)) console.log(difference);
    const witness = (await getJson(`${services.billingUrl}/witness`)) as WitnessReport;
    return printVerdict('Verdict', [
      { what: 'rows published', value: published, holds: published === events.length },
      ...orderLines(witness, events.length, 'aggregate'),
      {
        what: 'histories identical to the file',
        value: `${histories.size - differences.length} of ${histories.size}`,
        holds: differences.length === 0,
      },
      ...speedLines(witness, { what: 'events per second', value: Math.round(events.length / seconds) }),
    ]);
  } finally {
    await services.stop();
  }
}

try {
  const { file, events } = readArguments();
  process.exitCode = (await run(file, events)) ? 0 : 1;
} catch (error) {
  const isUsage = error instanceof TypeError && 'code' in error;
  if (!(error instanceof EventLogError) && !isUsage) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
