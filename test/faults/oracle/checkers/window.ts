import { claimsOf } from '../claims.js';
import { type Finding, groupBy } from '../finding.js';
import type { History } from '../history.js';
import { partitionOf } from '../stored.js';

/**
 * `window`: what earlier owners had started is settled in the claimed position, or is among its first `window` unsettled
 * events. Only there does an owner look for an event that kills its process.
 */
export function checkWindow(history: Pick<History, 'attempts' | 'positions' | 'stored'>): Finding[] {
  const starts = groupBy(history.attempts, ({ partition }) => partition);
  return claimsOf(history).standing.flatMap((claim) => {
    const { partition, partitions, epoch, window, standsAt } = claim;
    const open = history.stored
      .filter((event) => partitionOf(event, partitions) === partition && !claim.isSettled(event.seq))
      .map(({ seq }) => seq);
    const beyond = open[window];
    if (beyond === undefined) return [];
    const missed = (starts.get(partition) ?? []).find(
      (start) =>
        start.seq >= beyond && start.epoch < epoch && start.start < standsAt && !claim.isSettled(start.seq),
    );
    if (missed === undefined) return [];
    const { key, n, seq, worker } = missed;
    const text =
      `${key}: ${n} (sequence ${seq}) had started under epoch ${missed.epoch} (${worker}), and is the unsettled event number ` +
      `${open.indexOf(seq) + 1} of epoch ${epoch}, whose window is ${window}`;
    return [{ checker: 'window', text } as const];
  });
}
