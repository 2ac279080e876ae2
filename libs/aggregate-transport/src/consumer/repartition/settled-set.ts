/** Events that are settled: all up to `high` that are not among `unsettled`. */
export interface SettledSet {
  readonly high: number;
  /** Ascending. */
  readonly unsettled: readonly number[];
}

/** The events that `a` or `b` calls settled. Pure. */
export function unionOf(a: SettledSet, b: SettledSet): SettledSet {
  const [low, top] = a.high <= b.high ? [a, b] : [b, a];
  const open = new Set(low.unsettled);
  // Up to `low.high` both sets must leave an event out; above it only `top` knows anything.
  const unsettled = top.unsettled.filter((sequence) => sequence > low.high || open.has(sequence));
  return { high: top.high, unsettled };
}
