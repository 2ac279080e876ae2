import type { HandlerRun, Ms, RunHistory } from './run-history.js';

/** An owner that is stopped in order lets go when no handler runs, and has settled everything. */
const NO_EXCUSES: ReadonlySet<string> = new Set(['stop']);

/** Whether something may have taken the lease of this run's process, from a lease before the run until `by`. */
export function wasDisturbed(
  { disturbances, leaseTtlMs }: Pick<RunHistory, 'disturbances' | 'leaseTtlMs'>,
  { process, start }: HandlerRun,
  by: Ms,
): boolean {
  return disturbances.some(
    ({ kind, process: hit, from, to }) =>
      !NO_EXCUSES.has(kind) &&
      (hit === undefined || hit === process) &&
      from <= by &&
      to >= start - leaseTtlMs,
  );
}
