import { type Claim, claimsOf } from '../claims.js';
import type { Finding } from '../finding.js';
import type { History, Ms } from '../history.js';
import { partitionOf } from '../stored.js';

/**
 * `settled-stays-settled`: an event does not start under an epoch if a position claimed for this epoch or an earlier
 * one calls it settled. A letter is settled when it is stored and handled later, so letters are exempt here; the
 * checkers of parked aggregates judge them.
 */
export function checkSettledStaysSettled(
  history: Pick<History, 'attempts' | 'positions' | 'letters' | 'stored'>,
): Finding[] {
  const letters = new Set(history.letters.map(({ seq }) => seq));
  const slots = new Map(history.stored.map(({ seq, slot }) => [seq, slot]));
  const { standing } = claimsOf(history);
  return history.attempts.flatMap(({ key, n, seq, epoch, worker, start }) => {
    const slot = slots.get(seq);
    if (slot === undefined || letters.has(seq)) return [];
    const claim = standing.find(
      (one) =>
        isEarlier(one, epoch, start) &&
        partitionOf({ slot }, one.partitions) === one.partition &&
        one.isSettled(seq),
    );
    if (claim === undefined) return [];
    const text =
      `${key}: ${n} (sequence ${seq}) started under epoch ${epoch} (${worker}) at ${start}, ` +
      `and the claim of epoch ${claim.epoch} calls it settled`;
    return [{ checker: 'settled-stays-settled', text } as const];
  });
}

/**
 * A claim of the same epoch counts from when it was sent: another layout may begin at the epoch where the last one
 * ended.
 */
function isEarlier(claim: Pick<Claim, 'epoch' | 'at'>, epoch: number, start: Ms): boolean {
  return claim.epoch < epoch || (claim.epoch === epoch && claim.at <= start);
}
