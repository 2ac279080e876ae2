import { byStart, type Disturbance, type HandlerRun, type RunHistory } from './run-history.js';

/** Right after a standstill the one handler whose start was decided before it still starts. */
const THAW_MS = 100;
const STANDSTILLS: ReadonlySet<string> = new Set(['freeze', 'stood-still']);

/** A start under a token after a newer one had begun. */
export interface StaleStart {
  readonly run: HandlerRun;
  readonly newer: number;
  /** True for the one start after a standstill that nothing can prevent. */
  readonly isExcused: boolean;
}

/** Starts under a token after an event had started under a newer one, in the same partition. */
export function staleStarts({ runs, disturbances }: Pick<RunHistory, 'runs' | 'disturbances'>): StaleStart[] {
  const highest = new Map<number, number>();
  const used = new Set<Disturbance>();
  return byStart(runs).flatMap((run) => {
    const { partition, token, start, process } = run;
    const newer = highest.get(partition) ?? 0;
    highest.set(partition, Math.max(newer, token));
    if (newer <= token) return [];
    const freeze = disturbances.find(
      (one) =>
        STANDSTILLS.has(one.kind) &&
        !used.has(one) &&
        one.process === process &&
        Math.abs(start - one.to) <= THAW_MS,
    );
    const isExcused = freeze !== undefined;
    if (isExcused) used.add(freeze);
    return [{ run, newer, isExcused }];
  });
}
