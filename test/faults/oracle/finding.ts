/** The checkers, by the names of the design. */
export const CHECKERS = {
  C1: 'per key: 1, 2, 3 …; a replay goes on from where it begins',
  C2: 'one handler per key, one owner per partition',
  C3: 'whatever is stored is handled',
  C4: 'stored order is call order',
  C5: 'no ack overtakes its predecessor or its handler',
  C6: 'a failure stops its own key and no other',
  C8: 'a takeover starts at the first unsettled event',
  C9: 'all is settled after the faults, nothing crashed',
  C10: 'bounds hold',
  C11: 'an event that kills its process is found',
  C12: 'a stream that went back is noticed',
  C13: 'every partition has an owner, and replicas share evenly',
} as const;
export type CheckerName = keyof typeof CHECKERS;

/** A broken promise, in words that lead to the lines of the journals. */
export interface Finding {
  readonly checker: CheckerName;
  readonly text: string;
}

/** What shows that a run could have failed. */
export interface Evidence {
  /** Starts of events that had ended well before. */
  readonly replays: number;
  readonly takeovers: number;
  readonly takeoverMs: readonly number[];
  readonly failoverMs: readonly number[];
  /** Handlers of an owner whose lease was over that ran beside their successors; nobody can stop those. */
  readonly staleOverlaps: number;
  readonly staleStarts: number;
  /** Writes the fenced store refused. */
  readonly refusedWrites: number;
}

/** Items by key, in their order. */
export function groupBy<T>(
  items: Iterable<T>,
  keyOf: (item: T) => string | number,
): Map<string | number, T[]> {
  const groups = new Map<string | number, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
