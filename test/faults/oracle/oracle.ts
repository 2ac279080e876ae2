import { checkRest } from './checkers/at-rest.js';
import { checkBounds } from './checkers/bounds.js';
import { checkFencing } from './checkers/fencing.js';
import { checkIsolation } from './checkers/isolation.js';
import { checkDeafWorkers } from './checkers/no-deaf-worker.js';
import { checkNothingLost } from './checkers/nothing-lost.js';
import { checkOwners } from './checkers/one-owner.js';
import { checkOrder, countReplays } from './checkers/order.js';
import { checkPositionsTellTheTruth } from './checkers/positions-tell-the-truth.js';
import { checkPublishOrder } from './checkers/publish-order.js';
import { checkSettledStaysSettled } from './checkers/settled-stays-settled.js';
import { checkUnknownEvents } from './checkers/unknown-event.js';
import { checkWindow } from './checkers/window.js';
import { claimsOf } from './claims.js';
import type { Evidence, Finding } from './finding.js';
import type { History } from './history.js';

export interface Verdict {
  readonly findings: readonly Finding[];
  readonly evidence: Evidence;
}

/** Judges a run from its journals and the stream. Pure. */
export function judge(history: History): Verdict {
  const owners = checkOwners(history);
  const claims = claimsOf(history);
  return {
    findings: [
      ...checkUnknownEvents(history),
      ...checkPublishOrder(history),
      ...checkOrder(history),
      ...owners.findings,
      ...checkNothingLost(history),
      ...checkSettledStaysSettled(history),
      ...checkPositionsTellTheTruth(history),
      ...checkWindow(history),
      ...checkDeafWorkers(history),
      ...checkFencing(history),
      ...checkIsolation(history),
      ...checkBounds(history),
      ...checkRest(history),
    ],
    evidence: {
      replays: countReplays(history),
      takeovers: claims.standing.length,
      takeoverMs: takeoversOf(history, claims.standing),
      failoverMs: failoversOf(history),
      unheardClaims: claims.unheard.size,
      refusedPositions: history.positions.filter(({ outcome }) => outcome === 'refused').length,
      staleOverlaps: owners.staleOverlaps,
      staleStarts: owners.staleStarts,
      refusedWrites: history.effects.filter(({ accepted }) => !accepted).length,
    },
  };
}

/** From the claim to the first start under it, in milliseconds. */
function takeoversOf(
  { attempts }: Pick<History, 'attempts'>,
  claims: readonly { readonly partition: number; readonly epoch: number; readonly at: number }[],
): number[] {
  const firsts = new Map<string, number>();
  for (const { partition, epoch, start } of attempts) {
    const name = `${partition} ${epoch}`;
    if (!firsts.has(name)) firsts.set(name, start);
  }
  return claims.flatMap(({ partition, epoch, at }) => {
    const start = firsts.get(`${partition} ${epoch}`);
    return start === undefined ? [] : [Math.max(0, Math.round(start - at))];
  });
}

/** From each kill of an owner to the first start of its successor, per partition. */
function failoversOf({ troubles, attempts }: History): number[] {
  const kills = troubles.filter(({ kind }) => kind === 'kill');
  return kills.flatMap(({ worker, from }) => {
    const partitions = new Set(attempts.map(({ partition }) => partition));
    return [...partitions].flatMap((partition) => {
      const ofPartition = attempts.filter((attempt) => attempt.partition === partition);
      const last = ofPartition.findLast(({ start }) => start <= from);
      if (last === undefined || last.worker !== worker) return [];
      const next = ofPartition.find(({ start, epoch }) => start > from && epoch > last.epoch);
      return next === undefined ? [] : [Math.round(next.start - from)];
    });
  });
}
