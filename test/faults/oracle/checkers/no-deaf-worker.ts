import { type Finding, groupBy } from '../finding.js';
import type { History, Trouble } from '../history.js';

/** Between the clock that begins a fault and the way of a message through the server. */
const SLACK_MS = 50;

/**
 * `no-deaf-worker`: an owner has one position write on its way at most. So one that cannot hear the server writes each
 * of its positions once at most, until it hears again.
 */
export function checkDeafWorkers(history: Pick<History, 'attempts' | 'positions' | 'troubles'>): Finding[] {
  return history.troubles
    .filter(({ kind }) => kind === 'blackhole-s2c')
    .flatMap((trouble) => judge(history, trouble));
}

function judge(
  { attempts, positions }: Pick<History, 'attempts' | 'positions'>,
  { worker, from, to }: Trouble,
): Finding[] {
  const own = new Set(
    attempts
      .filter((attempt) => attempt.worker === worker)
      .map(({ partition, epoch }) => `${partition} ${epoch}`),
  );
  const sent = positions.filter(
    ({ at, partition, epoch }) =>
      at >= from + SLACK_MS && at <= to - SLACK_MS && own.has(`${partition} ${epoch}`),
  );
  return [...groupBy(sent, ({ partition, epoch }) => `partition ${partition}, epoch ${epoch}`)].flatMap(
    ([what, writes]) => {
      if (writes.length < 2) return [];
      const numbers = writes.map(({ write }) => write).join(', ');
      const text = `${what}: writes ${numbers} left ${worker ?? '?'} from ${from} to ${to}, while it could hear no answer`;
      return [{ checker: 'no-deaf-worker', text } as const];
    },
  );
}
