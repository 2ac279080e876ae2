// Pure statistics of samples: what a table says about rounds and latencies.

/** The middle of a contender's rounds, and how far they lie apart. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** The value below which the given part of all values lies, by the nearest rank. NaN without values. */
export function percentile(values: readonly number[], part: number): number {
  const sorted = Float64Array.from(values).sort();
  const rank = Math.ceil(part * sorted.length);
  return sorted[Math.min(Math.max(rank, 1), sorted.length) - 1] ?? Number.NaN;
}

/** The middle value; of an even number of values the mean of the two in the middle. NaN without values. */
export function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function spreadOf(values: readonly number[]): Spread {
  return { median: median(values), min: percentile(values, 0), max: percentile(values, 1) };
}

/** One contender's value over another's, round by round: a machine that is slow in one round is slow for both. */
export function ratios(values: readonly number[], against: readonly number[]): number[] {
  const rounds = Math.min(values.length, against.length);
  return Array.from({ length: rounds }, (_, round) => (values[round] ?? Number.NaN) / (against[round] ?? 1));
}
