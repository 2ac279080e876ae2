import { existsSync } from 'node:fs';
import type {
  Disturbance,
  HandlerRun,
  Ms,
  PublishedNumber,
  RunHistory,
  StoredNumber,
} from '../judging/run-history.js';
import { msOf, readJournal, type Stamped } from './harness/journal.js';
import type { PublisherLine, ReplicaLine } from './process-lines.js';
import type { Life } from './slot.js';

/** What is known beside the journals. */
export interface RecordedRun {
  readonly replicas: readonly Life[];
  readonly publishers: readonly Life[];
  readonly disturbances: readonly Disturbance[];
  readonly stored: readonly StoredNumber[];
  readonly leaseTtlMs: number;
  readonly rest: RunHistory['rest'];
}

/** A run as the judge takes it, and errors of handlers that no plan asked for. */
export interface RecordedHistory extends RunHistory {
  readonly errors: ReadonlyMap<string, number>;
  readonly failedAttempts: number;
}

/** Reads all journals. Times count from the first line of any. */
export function readHistory(recorded: RecordedRun): RecordedHistory {
  const errors = new Map<string, number>();
  const runs: HandlerRun[] = [];
  const disturbances = [...recorded.disturbances];
  let failedAttempts = 0;
  for (const life of recorded.replicas) {
    const lines = linesOf<ReplicaLine>(life);
    runs.push(...runsOf(life, lines));
    for (const line of lines) {
      if (line.what === 'stood-still') disturbances.push(stillnessOf(life, line));
      if (line.what !== 'end' || line.ok) continue;
      failedAttempts++;
      if (line.error !== undefined) errors.set(line.error, (errors.get(line.error) ?? 0) + 1);
    }
    // A process that ended by itself is as good as killed.
    if (life.how !== undefined && !life.isExpected)
      disturbances.push({ kind: 'ended', process: life.name, from: life.to, to: life.to });
  }
  const published = recorded.publishers.flatMap((life) => publishedOf(linesOf<PublisherLine>(life)));
  const { stored, leaseTtlMs, rest } = recorded;
  const zero = runs.reduce((least, { start }) => Math.min(least, start), Infinity);
  const since = (at: Ms): Ms => (zero === Infinity ? at : at - zero);
  return {
    stored,
    published,
    leaseTtlMs,
    rest,
    errors,
    failedAttempts,
    runs: runs.map((run) => ({ ...run, start: since(run.start), end: since(run.end) })),
    disturbances: disturbances.map((one) => ({ ...one, from: since(one.from), to: since(one.to) })),
  };
}

/** One that ended before it was set up has written none. */
function linesOf<L extends object>({ journal }: Life): Stamped<L>[] {
  return existsSync(journal) ? readJournal<L>(journal) : [];
}

function runsOf(life: Life, lines: readonly Stamped<ReplicaLine>[]): HandlerRun[] {
  type Open = { -readonly [K in keyof HandlerRun]: HandlerRun[K] };
  const runs: Open[] = [];
  const open = new Map<string, Open>();
  for (const line of lines) {
    if (line.what === 'stood-still') continue;
    const { aggregateId, number, sequence, partition, token, attempt, at } = line;
    const id = `${sequence} ${token} ${attempt}`;
    if (line.what === 'start') {
      const run: Open = {
        ...{ aggregateId, number, sequence, partition, token, process: life.name },
        ...{ start: msOf(at), end: life.to, outcome: undefined },
      };
      runs.push(run);
      open.set(id, run);
      continue;
    }
    const ended = open.get(id);
    if (ended === undefined) continue;
    ended.end = msOf(at);
    ended.outcome = line.ok ? 'handled' : 'failed';
    open.delete(id);
  }
  return runs;
}

function stillnessOf(
  { name }: Life,
  { at, ms }: Stamped<Extract<ReplicaLine, { what: 'stood-still' }>>,
): Disturbance {
  return { kind: 'stood-still', process: name, from: msOf(at) - ms, to: msOf(at) };
}

/** A call without an outcome is an unknown one. */
function publishedOf(lines: readonly PublisherLine[]): PublishedNumber[] {
  const calls = new Map<string, PublishedNumber>();
  for (const line of lines) {
    const { aggregateId, number } = line;
    const outcome = line.what === 'call' ? 'unknown' : line.what;
    const sequence = line.what === 'stored' ? line.sequence : undefined;
    calls.set(`${number} ${aggregateId}`, { aggregateId, number, outcome, sequence });
  }
  return [...calls.values()];
}
