import { checkHandled, checkKnown, checkRest } from './check-complete.js';
import { checkFencing, effectsOf } from './check-fencing.js';
import { checkOrder } from './check-order.js';
import { checkOwners, overlapsIn } from './check-owners.js';
import { checkRepeats, repeatsIn } from './check-repeats.js';
import { checkStored } from './check-stored.js';
import type { OrderFinding } from './finding.js';
import { groupBy, type RunHistory } from './run-history.js';
import { staleStarts } from './stale-starts.js';

/** What a history shows. Green if there are no findings. */
export interface HistoryVerdict {
  /** The promises that were broken; empty if all held. */
  readonly findings: readonly OrderFinding[];
  /** Starts of events that had been handled: by new owners after a crash. */
  readonly repeats: number;
  /** Changes of owner: tokens of all partitions, without the first of each. */
  readonly ownerChanges: number;
  /** Handlers of owners that could not know that they had lost their lease, beside those of their successors. */
  readonly staleOverlaps: number;
  /** Starts right after a freeze that had been decided on before it. */
  readonly staleStarts: number;
  /** Effects that a store guarded by the fencing token refuses. */
  readonly refusedEffects: number;
}

/**
 * Judges a whole history: what was published, stored and handled, by which processes, and what was broken on purpose.
 * It knows nothing of how the transport works, only what it promises. Pure; sorts what it is given by itself.
 *
 * A history of one process needs no disturbances. Give each process a name per life, and the fencing token that its
 * handler read.
 */
export function judgeHistory(history: RunHistory): HistoryVerdict {
  const { runs } = history;
  const stale = staleStarts(history).length;
  return {
    findings: [
      ...checkStored(history),
      ...checkKnown(history),
      ...checkOrder(history),
      ...checkRepeats(history),
      ...checkOwners(history),
      ...checkFencing(history),
      ...checkHandled(history),
      ...checkRest(history),
    ],
    repeats: repeatsIn(runs).length,
    ownerChanges: ownerChangesIn(history),
    staleOverlaps: overlapsIn(history).length,
    staleStarts: stale,
    refusedEffects: effectsOf(runs).refused.length,
  };
}

function ownerChangesIn({ runs }: Pick<RunHistory, 'runs'>): number {
  const tokens = groupBy(runs, ({ partition }) => partition);
  return [...tokens.values()].reduce((sum, ofPartition) => {
    return sum + new Set(ofPartition.map(({ token }) => token)).size - 1;
  }, 0);
}
