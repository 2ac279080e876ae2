import { describeRun, type Find, findingsOf, type OrderFinding } from './finding.js';
import { byStart, firstEnds, groupBy, type HandlerRun, type Ms, type RunHistory } from './run-history.js';
import { staleStarts } from './stale-starts.js';

/**
 * `order`, per aggregate, from starts and ends of handlers:
 *
 * 1. An event starts after the event before it has been handled, in whichever process.
 * 2. A start is at most one event after the start before it.
 * 3. Under one token, n+1 follows n that was handled, and n follows n that failed.
 *
 * A start under a token after a newer one had begun is left to `one-owner`.
 */
export function checkOrder(history: Pick<RunHistory, 'runs' | 'disturbances'>): OrderFinding[] {
  const ends = firstEnds(history.runs);
  const stale = new Set(staleStarts(history).map(({ run }) => run));
  const current = byStart(history.runs).filter((run) => !stale.has(run));
  return findingsOf('order', (find) => {
    for (const runs of groupBy(current, ({ aggregateId }) => aggregateId).values()) {
      const sequences = new Map(runs.map(({ number, sequence }) => [number, sequence]));
      const endOf = (number: number): Ms => ends.get(sequences.get(number) ?? 0) ?? Infinity;
      judgeAggregate(runs, endOf, find);
      for (const ofToken of groupBy(runs, ({ token }) => token).values()) judgeToken(ofToken, find);
    }
  });
}

function judgeAggregate(runs: readonly HandlerRun[], endOf: (number: number) => Ms, find: Find): void {
  let last = 0;
  for (const run of runs) {
    const { aggregateId, number } = run;
    const before = number - 1;
    if (before > 0 && endOf(before) > run.start)
      find(
        aggregateId,
        [before, number],
        `${aggregateId}: started ${describeRun(run)}, before ${before} was handled`,
      );
    else if (number > last + 1)
      find(
        aggregateId,
        [last, number],
        `${aggregateId}: started ${describeRun(run)}, after the start of ${last}`,
      );
    last = number;
  }
}

function judgeToken(runs: readonly HandlerRun[], find: Find): void {
  let last: HandlerRun | undefined;
  for (const run of runs) {
    if (last !== undefined && last.outcome !== 'handled' && run.number !== last.number)
      find(
        run.aggregateId,
        [last.number, run.number],
        `${run.aggregateId}: started ${describeRun(run)}, though ${last.number} had not been handled`,
      );
    last = run;
  }
}
