import { firsts, SLACK_MS } from './check-acks.js';
import type { Finding } from './finding.js';
import type { History, Trouble } from './history.js';

/**
 * C5, without comparing the tap's clock with the worker's: a worker that cannot hear the server gets no confirmation,
 * so of each key at most one ack may leave it until it hears again.
 */
export function checkDeafWorkers(history: History): Finding[] {
  return history.troubles
    .filter(({ kind }) => kind === 'blackhole-s2c')
    .flatMap((trouble) => judge(history, trouble));
}

function judge({ attempts, acksSent, stored }: History, { worker, from, to }: Trouble): Finding[] {
  const own = new Set<number>();
  const others = new Set<number>();
  for (const one of attempts) {
    if (one.worker !== worker) others.add(one.seq);
    else if (one.ok === true && one.end <= to) own.add(one.seq);
  }
  const keyOf = new Map(stored.map(({ key, seq }) => [seq, key]));
  const left = new Map<string, number[]>();
  for (const [seq, at] of firsts(acksSent)) {
    const key = keyOf.get(seq);
    // An event that another process handled too may have got its ack from there.
    if (key === undefined || !own.has(seq) || others.has(seq)) continue;
    if (at < from + SLACK_MS || at > to) continue;
    left.set(key, [...(left.get(key) ?? []), seq]);
  }
  return [...left].flatMap(([key, acks]) => {
    if (acks.length < 2) return [];
    const text = `${key}: the acks of sequences ${acks.join(', ')} left ${worker ?? '?'} from ${from} to ${to}`;
    return [{ checker: 'C5', text: `${text}, while it could hear no confirmation` } as const];
  });
}
