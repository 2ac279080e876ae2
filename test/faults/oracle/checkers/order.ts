import { type Claims, claimsOf } from '../claims.js';
import { type Finding, groupBy } from '../finding.js';
import type { Attempt, History, Ms } from '../history.js';
import { staleStartsOf } from '../stale-starts.js';
import type { StoredEvent } from '../stored.js';

/**
 * `order`, per aggregate, from starts and ends of handlers:
 *
 * 1. An event starts after its predecessor in the stream has ended.
 * 2. A start is at most one event after the start before it, whichever process that was in.
 * 3. Within an epoch n+1 follows n that succeeded, and n follows n that failed.
 * 4. An epoch begins an aggregate right after what its claimed position calls settled. Letters count as settled.
 *
 * A start under an epoch after a newer one began is left to `one-owner`.
 */
export function checkOrder(
  history: Pick<History, 'attempts' | 'positions' | 'letters' | 'stored' | 'troubles'>,
): Finding[] {
  const claims = claimsOf(history);
  const stale = new Set(staleStartsOf(history, claims).map(({ attempt }) => attempt));
  const letters = new Set(history.letters.map(({ seq }) => seq));
  const endedAt = firstEnds(history.attempts);
  const storedOf = groupBy(history.stored, ({ key }) => key);
  const current = history.attempts.filter((attempt) => !stale.has(attempt));
  return [...groupBy(current, ({ key }) => key)].flatMap(([key, attempts]) => {
    const placed = placesOf(attempts, storedOf.get(key) ?? []);
    return [
      ...judgeOverall(placed, endedAt),
      ...[...groupBy(placed, ({ attempt }) => attempt.epoch).values()].flatMap((run) => [
        ...judgeFirst(run[0]!, claims, letters),
        ...judgeRun(run),
      ]),
    ];
  });
}

/** Starts of events that had ended before: they show that a run could have failed. */
export function countReplays({ attempts }: Pick<History, 'attempts'>): number {
  const endedAt = firstEnds(attempts);
  return attempts.filter(({ attempt, seq, start }) => attempt === 1 && (endedAt.get(seq) ?? Infinity) < start)
    .length;
}

/** A start, with the place of its event among those of its aggregate. */
interface Placed {
  readonly attempt: Attempt;
  readonly place: number;
  readonly before: StoredEvent | undefined;
}

function placesOf(attempts: readonly Attempt[], stored: readonly StoredEvent[]): Placed[] {
  const places = new Map(stored.map(({ seq }, place) => [seq, place]));
  return attempts.flatMap((attempt) => {
    const place = places.get(attempt.seq);
    // What is not stored is for `unknown-event`.
    return place === undefined ? [] : [{ attempt, place, before: stored[place - 1] }];
  });
}

function judgeOverall(starts: readonly Placed[], endedAt: ReadonlyMap<number, Ms>): Finding[] {
  const findings: Finding[] = [];
  let last: Placed | undefined;
  for (const start of starts) {
    const { attempt, place, before } = start;
    if (before !== undefined && !((endedAt.get(before.seq) ?? Infinity) <= attempt.start))
      findings.push(found(attempt, `before ${before.n} had ended`));
    if (last !== undefined && place > last.place + 1)
      findings.push(
        found(attempt, `after the start of ${last.attempt.n} in ${last.attempt.worker}: a skip forward`),
      );
    last = start;
  }
  return findings;
}

function judgeFirst({ attempt, before }: Placed, claims: Claims, letters: ReadonlySet<number>): Finding[] {
  const claim = claims.of(attempt.partition, attempt.epoch);
  if (claim === undefined || before === undefined) return [];
  if (claim.isSettled(before.seq) || letters.has(before.seq)) return [];
  return [found(attempt, `though ${before.n} (sequence ${before.seq}) is not settled in what it claimed`)];
}

function judgeRun(run: readonly Placed[]): Finding[] {
  return run.flatMap(({ attempt, place }, index) => {
    const last = run[index - 1];
    if (last === undefined) return [];
    if (last.attempt.ok !== true)
      return place === last.place ? [] : [found(attempt, `though ${last.attempt.n} had not succeeded`)];
    if (place > last.place + 1) return [found(attempt, `after ${last.attempt.n}: a hole`)];
    return place > last.place ? [] : [found(attempt, `after ${last.attempt.n}: a repeat within one epoch`)];
  });
}

function found({ key, n, seq, epoch, worker, start }: Attempt, what: string): Finding {
  return {
    checker: 'order',
    text: `${key}: epoch ${epoch} (${worker}) started ${n} (sequence ${seq}) at ${start}, ${what}`,
  };
}

/** When each event was first handled to its end. */
function firstEnds(attempts: readonly Attempt[]): Map<number, Ms> {
  const ends = new Map<number, Ms>();
  for (const { seq, ok, end } of attempts)
    if (ok === true && end < (ends.get(seq) ?? Infinity)) ends.set(seq, end);
  return ends;
}
