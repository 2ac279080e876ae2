import { checkAcks } from './check-acks.js';
import { checkDeafWorkers } from './check-deaf-worker.js';
import { checkCompleteness, checkPublishOrder } from './check-completeness.js';
import { checkExclusion } from './check-exclusion.js';
import {
  checkBounds,
  checkConsumers,
  checkIsolation,
  checkQuiescence,
  checkTakeovers,
} from './check-health.js';
import { checkOrder } from './check-order.js';
import type { Evidence, Finding } from './finding.js';
import type { History } from './history.js';

export interface Verdict {
  readonly findings: readonly Finding[];
  readonly evidence: Evidence;
}

/** Judges a run from its journals and the stream. Pure. */
export function judge(history: History): Verdict {
  const order = checkOrder(history);
  const exclusion = checkExclusion(history);
  const takeoverMs = takeoversOf(history);
  return {
    findings: [
      ...order.findings,
      ...exclusion.findings,
      ...checkCompleteness(history),
      ...checkPublishOrder(history),
      ...checkAcks(history),
      ...checkDeafWorkers(history),
      ...checkIsolation(history),
      ...checkQuiescence(history),
      ...checkBounds(history),
      ...checkTakeovers(history),
      ...checkConsumers(history),
    ],
    evidence: {
      replays: order.replays,
      takeovers: takeoverMs.length,
      takeoverMs,
      failoverMs: failoversOf(history),
      staleOverlaps: exclusion.staleOverlaps,
      staleStarts: exclusion.staleStarts,
      refusedWrites: exclusion.refusedWrites,
    },
  };
}

function takeoversOf({ logs }: History): number[] {
  return logs.flatMap(({ text }) => {
    const ms = /: taken over \(.*?\) in (\d+) ms/.exec(text)?.[1];
    return ms === undefined ? [] : [Number(ms)];
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
