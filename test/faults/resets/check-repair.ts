import { groupBy } from '../oracle/finding.js';
import type { StoredEvent } from '../oracle/stored.js';
import type { HandlerRun } from '../parking/parking-history.js';

export interface RepairHistory {
  readonly stored: readonly StoredEvent[];
  /** In the order in which they ended, of each worker. */
  readonly runs: readonly HandlerRun[];
  /** An aggregate that was purged: what it had before may be missing. */
  readonly purged: string | undefined;
}

/**
 * Each aggregate's events are handled in order, none is passed over. A repeat is a contiguous suffix: it may go back,
 * and never forward past an event that was not handled. Pure.
 */
export function checkRepair({ stored, runs, purged }: RepairHistory): string[] {
  const handled = groupBy(
    runs.filter(({ ok }) => ok === true).toSorted((a, b) => a.end - b.end),
    ({ key }) => key,
  );
  return [...groupBy(stored, ({ key }) => key)].flatMap(([of, events]) => {
    const key = String(of);
    const order = events.map(({ n }) => n).toSorted((a, b) => a - b);
    const done = (handled.get(key) ?? []).map(({ n }) => n);
    return key === purged ? checkPurged(key, order, done) : checkKept(key, order, done);
  });
}

function checkKept(key: string, order: readonly number[], done: readonly number[]): string[] {
  const findings: string[] = [];
  let reached = 0;
  for (const n of done) {
    if (n > reached + 1) findings.push(`order: ${key} ${n} was handled before ${reached + 1}`);
    reached = Math.max(reached, n);
  }
  const missing = order.filter((n) => !done.includes(n));
  return [...findings, ...missing.map((n) => `lost: ${key} ${n} was never handled`)];
}

/** Its first events are gone, or were handled before; the last ones were published after the purge. */
function checkPurged(key: string, order: readonly number[], done: readonly number[]): string[] {
  const findings = done.flatMap((n, index) =>
    n < (done[index - 1] ?? 0) && n > 1
      ? [`order: ${key} ${n} was handled after ${done[index - 1] ?? 0}`]
      : [],
  );
  const after = order.slice(PURGED);
  return [
    ...findings,
    ...after.filter((n) => !done.includes(n)).map((n) => `lost: ${key} ${n}, published after the purge`),
    ...done.filter((n) => n > 1 && n <= PURGED).map((n) => `purge: ${key} ${n} was handled after all`),
  ];
}

/** As many events the aggregate had before. */
const PURGED = 4;
