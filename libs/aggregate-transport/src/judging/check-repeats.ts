import { wasDisturbed } from './excuses.js';
import { describeRun, findingsOf, type OrderFinding } from './finding.js';
import { byStart, type HandlerRun, type RunHistory } from './run-history.js';
import { staleStarts } from './stale-starts.js';

/**
 * `repeats`: an event that was handled starts again only under a higher token, and only if something happened to the
 * process that had handled it. After an orderly stop, or when replicas join, nothing is repeated.
 *
 * A start under a token after a newer one had begun is left to `one-owner`.
 */
export function checkRepeats(
  history: Pick<RunHistory, 'runs' | 'disturbances' | 'leaseTtlMs'>,
): OrderFinding[] {
  return findingsOf('repeats', (find) => {
    const stale = new Set(staleStarts(history).map(({ run }) => run));
    for (const { before, run } of repeatsIn(history.runs)) {
      if (stale.has(run)) continue;
      const { aggregateId, number } = run;
      const what = `${aggregateId}: started ${describeRun(run)}, and it had been handled as ${describeRun(before)}`;
      if (run.token <= before.token) find(aggregateId, [number, number], `${what}; no newer token`);
      else if (!wasDisturbed(history, before, run.start))
        find(aggregateId, [number, number], `${what}; nothing had happened to ${before.process}`);
    }
  });
}

/** Starts of events that had been handled, each with the last time they had. */
export function repeatsIn(runs: readonly HandlerRun[]): { before: HandlerRun; run: HandlerRun }[] {
  const handled = new Map<number, HandlerRun[]>();
  for (const run of runs) {
    if (run.outcome !== 'handled') continue;
    const others = handled.get(run.sequence);
    if (others === undefined) handled.set(run.sequence, [run]);
    else others.push(run);
  }
  return byStart(runs).flatMap((run) => {
    const before = (handled.get(run.sequence) ?? [])
      .filter((one) => one !== run && one.end <= run.start)
      .sort((one, other) => one.end - other.end)
      .at(-1);
    return before === undefined ? [] : [{ before, run }];
  });
}
