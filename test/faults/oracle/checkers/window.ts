import { claimsOf } from '../claims.js';
import type { Finding } from '../finding.js';
import type { History } from '../history.js';
import { partitionOf } from '../stored.js';

/**
 * `window`: what earlier owners had started is settled in the claimed position, or is among its first `window`
 * unsettled events. Only there does an owner look for an event that kills its process.
 */
export function checkWindow(history: Pick<History, 'attempts' | 'positions' | 'stored'>): Finding[] {
  return claimsOf(history).standing.flatMap((claim) => {
    const { partition, partitions, epoch, window, standsAt } = claim;
    const open = history.stored
      .filter((event) => partitionOf(event, partitions) === partition && !claim.isSettled(event.seq))
      .map(({ seq }) => seq);
    const beyond = new Set(open.slice(window));
    if (beyond.size === 0) return [];
    const missed = history.attempts.find(
      (start) => beyond.has(start.seq) && start.epoch < epoch && start.start < standsAt,
    );
    if (missed === undefined) return [];
    const { key, n, seq, worker } = missed;
    const text =
      `${key}: ${n} (sequence ${seq}) had started under epoch ${missed.epoch} (${worker}), and is the unsettled event number ` +
      `${open.indexOf(seq) + 1} of epoch ${epoch}, whose window is ${window}`;
    return [{ checker: 'window', text } as const];
  });
}
