import { wasDisturbed } from './excuses.js';
import { describeRun, findingsOf, type OrderFinding } from './finding.js';
import { byStart, type HandlerRun, type RunHistory } from './run-history.js';

/**
 * `repeats`: an event that was handled starts again only under a higher token, and only if something happened to the
 * process that had handled it. After an orderly stop, or when replicas join, nothing is repeated.
 */
export function checkRepeats(
  history: Pick<RunHistory, 'runs' | 'disturbances' | 'leaseTtlMs'>,
): OrderFinding[] {
  return findingsOf('repeats', (find) => {
    for (const { before, run } of repeatsIn(history.runs)) {
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
