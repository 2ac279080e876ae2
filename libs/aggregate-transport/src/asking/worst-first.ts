import type { AggregateAnswer, AggregateState } from './answers.js';

/** The order in which an operator looks at aggregates. */
const RANK: Readonly<Record<AggregateState, number>> = {
  stuck: 0,
  blocked: 1,
  letters: 2,
  retrying: 3,
  running: 4,
  parked: 5,
  waiting: 6,
};

/** Compares two aggregates for a list that begins with the worst: by state, then the one in it for longest. Pure. */
export function isWorse(
  a: Pick<AggregateAnswer, 'state' | 'since'>,
  b: Pick<AggregateAnswer, 'state' | 'since'>,
): number {
  const rank = rankOf(a.state) - rankOf(b.state);
  return rank === 0 ? (a.since ?? Infinity) - (b.since ?? Infinity) || 0 : rank;
}

/** Of a newer release, a state may be one that is not known here. */
function rankOf(state: string): number {
  return (RANK as Readonly<Record<string, number>>)[state] ?? Object.keys(RANK).length;
}
