import { claimsOf } from '../claims.js';
import { type Finding, groupBy } from '../finding.js';
import type { History } from '../history.js';

/**
 * `settled-stays-settled`: an event does not start under an epoch if a position claimed for this epoch or an earlier one
 * calls it settled. A letter is settled when it is stored and handled later, so letters are exempt here; the checkers of
 * parked aggregates judge them.
 */
export function checkSettledStaysSettled(
  history: Pick<History, 'attempts' | 'positions' | 'letters'>,
): Finding[] {
  const letters = new Set(history.letters.map(({ seq }) => seq));
  const claims = groupBy(claimsOf(history).standing, ({ partition }) => partition);
  return history.attempts.flatMap(({ key, n, seq, epoch, partition, worker, start }) => {
    if (letters.has(seq)) return [];
    const claim = claims.get(partition)?.find((one) => one.epoch <= epoch && one.isSettled(seq));
    if (claim === undefined) return [];
    const text =
      `${key}: ${n} (sequence ${seq}) started under epoch ${epoch} (${worker}) at ${start}, ` +
      `and the claim of epoch ${claim.epoch} calls it settled`;
    return [{ checker: 'settled-stays-settled', text } as const];
  });
}
