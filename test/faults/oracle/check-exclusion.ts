import { type Finding, groupBy } from './finding.js';
import type { Attempt, Effect, History, Trouble } from './history.js';

/** Right after a freeze the one handler whose start was decided before it still starts: it was stopped in between. */
const THAW_MS = 100;

/** What takes a lease from a process that cannot know it. A shutdown is no excuse: it lets go when no handler runs. */
const EXCUSES = new Set([
  'kill',
  'freeze',
  'block',
  'server-kill',
  'blackhole-c2s',
  'blackhole-s2c',
  'blackhole-both',
  'hang-lapse',
]);

export interface Exclusion {
  readonly findings: Finding[];
  readonly staleOverlaps: number;
  readonly staleStarts: number;
  readonly refusedWrites: number;
}

/** C2: per key one handler at a time, per epoch one process, and a stale writer is told so by its token. */
export function checkExclusion(history: History): Exclusion {
  const findings: Finding[] = [...judgeEpochs(history.attempts), ...judgeTokens(history)];
  const stale = judgeStaleStarts(history);
  const overlapped = new Set<Attempt>();
  for (const attempts of groupBy(history.attempts, (attempt) => attempt.key).values()) {
    let open: Attempt[] = [];
    for (const attempt of attempts) {
      open = open.filter(({ end }) => end > attempt.start);
      for (const other of open) {
        if (isExcusable(history, other, attempt)) overlapped.add(other);
        else findings.push({ checker: 'C2', text: `${describe(attempt)} while ${describe(other)} ran` });
      }
      open.push(attempt);
    }
  }
  return {
    findings: [...findings, ...stale.findings],
    staleOverlaps: overlapped.size,
    staleStarts: stale.count,
    refusedWrites: history.effects.filter(({ accepted }) => !accepted).length,
  };
}

function describe({ key, n, epoch, worker, start, end }: Attempt): string {
  return `${key}: ${n} in epoch ${epoch} (${worker}) from ${start} to ${end}`;
}

/** Nobody can stop a handler that runs in a frozen or cut-off process; its successor in another process may start. */
function isExcusable(history: History, running: Attempt, starting: Attempt): boolean {
  if (running.worker === starting.worker || running.epoch === starting.epoch) return false;
  const [older, newer] = running.epoch < starting.epoch ? [running, starting] : [starting, running];
  const since = older.start - history.consumers.leaseTtlMs;
  const hit = history.troubles.some(
    ({ kind, worker, from, to }) =>
      EXCUSES.has(kind) &&
      (worker === undefined || worker === older.worker) &&
      from <= newer.start &&
      to >= since,
  );
  // A machine too busy to renew looks like a frozen one; then the older process says that it lost its lease.
  const told = history.logs.some(
    ({ worker, at, text }) =>
      worker === older.worker &&
      at >= older.start &&
      at <= newer.start &&
      text.includes(`partition ${older.partition}: the lease is lost`),
  );
  return hit || told;
}

function judgeEpochs(attempts: readonly Attempt[]): Finding[] {
  const owners = groupBy(attempts, ({ partition, epoch }) => `partition ${partition}, epoch ${epoch}`);
  return [...owners].flatMap(([epoch, ofEpoch]) => {
    const workers = new Set(ofEpoch.map(({ worker }) => worker));
    if (workers.size === 1) return [];
    return [{ checker: 'C2', text: `${epoch} belongs to ${[...workers].join(' and ')}` } as const];
  });
}

/** A write must carry the token its handler started with, or the store cannot refuse a stale one. */
function judgeTokens({ attempts, effects }: History): Finding[] {
  const runs = groupBy(attempts, identify);
  return effects.flatMap((effect) => {
    const { key, n, epoch, worker, at } = effect;
    const open = (runs.get(identify(effect)) ?? []).filter(({ start, end }) => start <= at && at <= end);
    const run = open[0];
    if (run === undefined || open.some((one) => one.epoch === epoch)) return [];
    const text = `${key}: the handler of ${n} (${worker}) started at ${run.start} with token ${run.epoch} and wrote with ${epoch}`;
    return [{ checker: 'C2', text } as const];
  });
}

function identify({ worker, key, n, attempt }: Attempt | Effect): string {
  return `${worker} ${key} ${n} ${attempt}`;
}

function judgeStaleStarts(history: History): { findings: Finding[]; count: number } {
  const findings: Finding[] = [];
  const thawed = new Set<Trouble>();
  const highest = new Map<number, Attempt>();
  for (const attempt of history.attempts) {
    const newest = highest.get(attempt.partition);
    if (newest === undefined || attempt.epoch >= newest.epoch) {
      highest.set(attempt.partition, attempt);
      continue;
    }
    const freeze = history.troubles.find(
      ({ kind, worker, to }) =>
        kind === 'freeze' &&
        worker === attempt.worker &&
        attempt.start >= to - THAW_MS &&
        attempt.start <= to + THAW_MS,
    );
    if (freeze !== undefined && !thawed.has(freeze)) {
      thawed.add(freeze);
    } else {
      const text = `${describe(attempt)} started when epoch ${newest.epoch} (${newest.worker}) had begun`;
      findings.push({ checker: 'C2', text });
    }
  }
  return { findings, count: thawed.size };
}
