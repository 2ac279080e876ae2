/** The checkers, by the promise each of them is for. */
export const CHECKERS = {
  'unknown-event': 'what a handler gets is stored, and nothing else',
  'publish-order': 'stored order is call order, and outcomes are true',
  order: 'an event starts after its predecessor has ended; an epoch continues right after what it claimed',
  'one-owner': 'one process per epoch, one handler per aggregate, no start after a newer claim',
  'nothing-lost': 'what is stored is handled',
  'settled-stays-settled': 'what a claimed position calls settled does not start again',
  'positions-tell-the-truth': 'a position calls settled only what has ended or is a letter',
  window: 'what a dead owner had started is among the first events its position names as suspects',
  'no-deaf-worker': 'an owner that hears no answer writes its position once at most',
  fencing: "a handler's token is that of its start, and effects are accepted in order",
  isolation: 'while one aggregate hangs the others continue',
  bounds: 'no more handlers run, and no more events are unsettled, than configured',
  'at-rest': 'all is settled after the faults, and no process ended by itself',
  'poison-found': 'an event that kills its process is found, and no other is blamed',
  'regression-noticed': 'a stream that went back is noticed',
  'even-share': 'every partition has an owner, and replicas share evenly',
} as const;
export type CheckerName = keyof typeof CHECKERS;

/** A broken promise, in words that lead to the lines of the journals. */
export interface Finding {
  readonly checker: CheckerName;
  readonly text: string;
}

/** What shows that a run could have failed. */
export interface Evidence {
  /** Starts of events that had ended before. */
  readonly replays: number;
  /** Claims that stood: times an owner began. */
  readonly takeovers: number;
  /** From each claim to the first start under it. */
  readonly takeoverMs: readonly number[];
  /** From the kill of an owner to the first start of its successor. */
  readonly failoverMs: readonly number[];
  /** Epochs whose claim was not heard, because the tap was away: some checkers skip them. */
  readonly unheardClaims: number;
  /** Position writes that the server refused: a late write met a newer claim, or a repeat its own first copy. */
  readonly refusedPositions: number;
  /** Handlers of an owner whose lease was over that ran beside their successors; nothing can stop those. */
  readonly staleOverlaps: number;
  readonly staleStarts: number;
  /** Effects that the fenced store refused. */
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
