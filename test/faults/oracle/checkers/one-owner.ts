import { type Claims, claimsOf, nameOf } from '../claims.js';
import { type Finding, groupBy } from '../finding.js';
import type { Attempt, History, Ms } from '../history.js';
import { staleStartsOf } from '../stale-starts.js';

/** What takes a lease from a process that cannot know it. A shutdown is no excuse: it lets go when no handler runs. */
const EXCUSES = new Set([
  'kill',
  'late-kill',
  'freeze',
  'block',
  'server-kill',
  'server-freeze',
  'refused',
  'lost-answers',
  'blackhole-c2s',
  'blackhole-s2c',
  'blackhole-both',
  'hang-lapse',
]);
/** The tap may hear a claim this late, if its process is busy. */
const TAP_LATENESS_MS = 1_000;
const SHOWN = 20;

export interface Exclusion {
  readonly findings: Finding[];
  readonly staleOverlaps: number;
  readonly staleStarts: number;
}

/**
 * `one-owner`:
 *
 * 1. An epoch of a partition belongs to one process, in its starts and in the positions it writes.
 * 2. An epoch starts an event after its claim was sent, and not after a newer claim stands. After a freeze one start is
 *    excused: it was decided before.
 * 3. An aggregate has one handler at a time. The handler of an owner that lost its lease without knowing it is excused.
 */
export function checkOwners(
  history: Pick<History, 'attempts' | 'positions' | 'troubles' | 'logs' | 'consumers' | 'tapGaps'>,
): Exclusion {
  const claims = claimsOf(history);
  const stale = staleStartsOf(history, claims);
  const overlaps = judgeOverlaps(history);
  const unexcused = stale.filter(({ thawed }) => thawed === undefined);
  return {
    findings: [
      ...judgeEpochs(history),
      ...judgeClaims(history, claims),
      ...unexcused
        .slice(0, SHOWN)
        .map(({ attempt, newer }) => found(`${describe(attempt)} started when epoch ${newer} had begun`)),
      ...overlaps.findings,
    ],
    staleOverlaps: overlaps.count,
    staleStarts: stale.length - unexcused.length,
  };
}

function judgeEpochs({ attempts, positions }: Pick<History, 'attempts' | 'positions'>): Finding[] {
  const epochs = groupBy(attempts, ({ partition, epoch }) => nameOf(partition, epoch));
  const writers = groupBy(positions, ({ partition, epoch }) => nameOf(partition, epoch));
  const judge = (epoch: string | number, names: ReadonlySet<string>): Finding[] =>
    names.size === 1 ? [] : [found(`${epoch} belongs to ${[...names].join(' and ')}`)];
  return [
    ...[...epochs].flatMap(([epoch, all]) => judge(epoch, new Set(all.map(({ worker }) => worker)))),
    ...[...writers].flatMap(([epoch, all]) => judge(epoch, new Set(all.map(({ owner }) => owner)))),
  ];
}

/** An epoch without a claim is a finding, unless the tap was away. */
function judgeClaims(
  { attempts, positions, tapGaps }: Pick<History, 'attempts' | 'positions' | 'tapGaps'>,
  claims: Claims,
): Finding[] {
  const sentAt = new Map<string, Ms>();
  for (const { partition, epoch, write, at } of positions) {
    const name = nameOf(partition, epoch);
    if (write === 1 && !sentAt.has(name)) sentAt.set(name, at);
  }
  const epochs = groupBy(attempts, ({ partition, epoch }) => nameOf(partition, epoch));
  return [...epochs].flatMap(([name, [first]]) => {
    if (first === undefined) return [];
    const sent = sentAt.get(String(name));
    if (sent === undefined && (tapGaps.length > 0 || claims.standing.length === 0)) return [];
    if (sent !== undefined && sent <= first.start + TAP_LATENESS_MS) return [];
    return [found(`${describe(first)} started, and ${name} had not claimed its position`)];
  });
}

function judgeOverlaps(history: Pick<History, 'attempts' | 'troubles' | 'logs' | 'consumers'>): {
  findings: Finding[];
  count: number;
} {
  const findings: Finding[] = [];
  const overlapped = new Set<Attempt>();
  for (const attempts of groupBy(history.attempts, (attempt) => attempt.key).values()) {
    let open: Attempt[] = [];
    for (const attempt of attempts) {
      open = open.filter(({ end }) => end > attempt.start);
      for (const other of open) {
        if (isExcusable(history, other, attempt)) overlapped.add(other);
        else findings.push(found(`${describe(attempt)} while ${describe(other)} ran`));
      }
      open.push(attempt);
    }
  }
  return { findings, count: overlapped.size };
}

/** Nothing can stop a handler that runs in a frozen or cut-off process; its successor in another process may start. */
function isExcusable(
  history: Pick<History, 'troubles' | 'logs' | 'consumers'>,
  running: Attempt,
  starting: Attempt,
): boolean {
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

function describe({ key, n, epoch, worker, start, end }: Attempt): string {
  return `${key}: ${n} in epoch ${epoch} (${worker}) from ${start} to ${end}`;
}

function found(text: string): Finding {
  return { checker: 'one-owner', text };
}
