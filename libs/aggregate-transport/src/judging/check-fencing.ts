import { describeRun, findingsOf, type OrderFinding } from './finding.js';
import type { HandlerRun, RunHistory } from './run-history.js';

/**
 * `fencing`: think of a store that takes an effect when its handler ends, and refuses a token below the highest of the
 * partition. What it takes of an aggregate goes back only under a higher token, and never ahead.
 */
export function checkFencing({ runs }: Pick<RunHistory, 'runs'>): OrderFinding[] {
  const last = new Map<string, HandlerRun>();
  return findingsOf('fencing', (find) => {
    for (const run of effectsOf(runs).accepted) {
      const { aggregateId, number, token } = run;
      const before = last.get(aggregateId);
      const previous = before?.number ?? 0;
      if (number > previous + 1)
        find(
          aggregateId,
          [previous, number],
          `${aggregateId}: the effect of ${describeRun(run)} came after ${previous}`,
        );
      else if (before !== undefined && number <= previous && token <= before.token)
        find(
          aggregateId,
          [number, previous],
          `${aggregateId}: the effect of ${describeRun(run)} came after ${previous}, without a newer token`,
        );
      last.set(aggregateId, run);
    }
  });
}

/** What such a store takes, and what it refuses, in the order of the ends. */
export function effectsOf(runs: readonly HandlerRun[]): {
  readonly accepted: HandlerRun[];
  readonly refused: HandlerRun[];
} {
  const highest = new Map<number, number>();
  const ended = runs.filter(({ outcome }) => outcome === 'handled').sort((one, other) => one.end - other.end);
  const accepted: HandlerRun[] = [];
  const refused: HandlerRun[] = [];
  for (const run of ended) {
    const least = highest.get(run.partition) ?? 0;
    (run.token < least ? refused : accepted).push(run);
    highest.set(run.partition, Math.max(least, run.token));
  }
  return { accepted, refused };
}
