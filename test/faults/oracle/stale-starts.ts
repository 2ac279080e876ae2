import type { Claims } from './claims.js';
import type { Attempt, History, Trouble } from './history.js';

/** Right after a freeze the one handler whose start was decided before it still starts: it was stopped in between. */
const THAW_MS = 100;

export interface StaleStart {
  readonly attempt: Attempt;
  /** The newer epoch that had begun. */
  readonly newer: number;
  /** Set for the one start after a freeze that nothing can prevent. */
  readonly thawed: Trouble | undefined;
}

/** Starts under an epoch after a newer one had begun: its claim stood, or it had started an event. */
export function staleStartsOf(
  { attempts, troubles }: Pick<History, 'attempts' | 'troubles'>,
  claims: Claims,
): StaleStart[] {
  const found: StaleStart[] = [];
  const highest = new Map<number, number>();
  const thawed = new Set<Trouble>();
  const standing = [...claims.standing].sort((a, b) => a.standsAt - b.standsAt);
  let next = 0;
  const reached = (partition: number, epoch: number): void => {
    highest.set(partition, Math.max(highest.get(partition) ?? 0, epoch));
  };
  for (const attempt of attempts) {
    const { partition, epoch, start, worker } = attempt;
    for (; next < standing.length && standing[next]!.standsAt < start; next++)
      reached(standing[next]!.partition, standing[next]!.epoch);
    const newer = highest.get(partition) ?? 0;
    reached(partition, epoch);
    if (newer <= epoch) continue;
    const freeze = troubles.find(
      (trouble) =>
        trouble.kind === 'freeze' &&
        trouble.worker === worker &&
        start >= trouble.to - THAW_MS &&
        start <= trouble.to + THAW_MS,
    );
    const isExcused = freeze !== undefined && !thawed.has(freeze);
    if (isExcused) thawed.add(freeze);
    found.push({ attempt, newer, thawed: isExcused ? freeze : undefined });
  }
  return found;
}
