import type { StoredEvent } from '../oracle/stored.js';
import type { HandlerRun } from './parking-history.js';

const RUN = 2n ** 48n;

function positionOf({ run, seq }: Pick<HandlerRun, 'run' | 'seq'>): bigint {
  return BigInt(run) * RUN + BigInt(seq);
}

/**
 * Judges a replay of one aggregate under load. Each finding begins with the promise that was broken:
 *
 * - `order`: an owner starts an event of an aggregate at a position below one that it has started.
 * - `nothing-skipped`: an aggregate's start passes over its next event.
 * - `nothing-lost`: an event was never handled.
 * - `refused`: a guard refused an effect that had not happened.
 * - `twice`: an effect happened again, and its event was not replayed.
 * - `replay`: the replay left out an event that had been handled before it was asked for.
 */
export function checkReplay(
  stored: readonly StoredEvent[],
  runs: readonly HandlerRun[],
  replayed: { readonly key: string; readonly events: readonly number[] },
): string[] {
  const findings: string[] = [...orderOf(runs), ...effectsOf(runs)];
  const handled = new Set(runs.flatMap(({ key, n, ok }) => (ok === true ? [`${key} ${n}`] : [])));
  for (const { key, n } of stored)
    if (!handled.has(`${key} ${n}`)) findings.push(`nothing-lost: ${key} ${n} was never handled`);
  const again = new Set(
    runs.flatMap(({ key, n, ok, run }) => (ok === true && run > 0 ? [`${key} ${n}`] : [])),
  );
  for (const n of replayed.events)
    if (!again.has(`${replayed.key} ${n}`)) findings.push(`replay: ${replayed.key} ${n} was left out`);
  return findings;
}

function orderOf(runs: readonly HandlerRun[]): string[] {
  const findings: string[] = [];
  const lastOf = new Map<string, { position: bigint; n: number }>();
  for (const one of runs) {
    const position = positionOf(one);
    const own = lastOf.get(`${one.key} ${one.epoch}`);
    const any = lastOf.get(one.key);
    if (own !== undefined && position < own.position)
      findings.push(
        `order: epoch ${one.epoch} starts ${one.key} ${one.n} at ${position} after ${own.position}`,
      );
    if (one.n > (any?.n ?? 0) + 1)
      findings.push(`nothing-skipped: ${one.key} ${one.n} starts after ${any?.n ?? 0}`);
    lastOf.set(`${one.key} ${one.epoch}`, { position, n: one.n });
    lastOf.set(one.key, { position, n: one.n });
  }
  return findings;
}

/** What a store does that keeps position and token in the row of each aggregate. */
function effectsOf(runs: readonly HandlerRun[]): string[] {
  const findings: string[] = [];
  const rows = new Map<string, { position: bigint; token: number }>();
  const applied = new Set<string>();
  for (const one of runs.filter(({ ok }) => ok === true).toSorted((a, b) => a.end - b.end)) {
    const { key, n, epoch, run } = one;
    const row = rows.get(key) ?? { position: -1n, token: 0 };
    if (epoch < row.token) continue;
    const position = positionOf(one);
    const isNew = position > row.position;
    if (!isNew && !applied.has(`${key} ${n}`)) findings.push(`refused: ${key} ${n} never had its effect`);
    if (isNew && applied.has(`${key} ${n}`) && !one.isReplay)
      findings.push(`twice: the effect of ${key} ${n} in run ${run} is no replay`);
    if (isNew) applied.add(`${key} ${n}`);
    rows.set(key, { position: isNew ? position : row.position, token: epoch });
  }
  return findings;
}
