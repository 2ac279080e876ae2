/** Milliseconds on a monotonic clock that all processes of a history share. */
export type Ms = number;

/** An event as the stream holds it. Events of an aggregate are numbered 1, 2, 3, … by their publisher. */
export interface StoredNumber {
  /** The aggregate that it belongs to. */
  readonly aggregateId: string;
  /** Its number within the aggregate, from 1. */
  readonly number: number;
  /** Its sequence in the stream. */
  readonly sequence: number;
}

/** A call of `publish` and what it came to. */
export interface PublishedNumber {
  /** The aggregate that it belongs to. */
  readonly aggregateId: string;
  /** Its number within the aggregate, from 1. */
  readonly number: number;
  /** `unknown`: no outcome, or one that says so. */
  readonly outcome: 'stored' | 'refused' | 'unknown';
  /** As the receipt says; undefined without one. */
  readonly sequence: number | undefined;
}

/** One run of a handler. */
export interface HandlerRun extends StoredNumber {
  /** The partition that the handler was called for. */
  readonly partition: number;
  /** The fencing token that the handler read. */
  readonly token: number;
  /** Names the process, one life of it: a replica that is started again is another one. */
  readonly process: string;
  /** When it began. */
  readonly start: Ms;
  /** When it ended, or when its process did; infinity if neither did. */
  readonly end: Ms;
  /** Undefined if its process ended first. */
  readonly outcome: 'handled' | 'failed' | undefined;
}

/** A time in which something was broken, on purpose or not. */
export interface Disturbance {
  /** `stop` is an orderly shutdown, which excuses nothing. `freeze` and `stood-still` excuse one start right after. */
  readonly kind: string;
  /** Undefined if it hits all. */
  readonly process: string | undefined;
  /** When it began. */
  readonly from: Ms;
  /** When it was over; infinity if it never was. */
  readonly to: Ms;
}

/** All that is known of a run, for {@link judgeHistory}. */
export interface RunHistory {
  /** In the order of the stream, all of it. */
  readonly stored: readonly StoredNumber[];
  /** All calls, those without an outcome too. */
  readonly published: readonly PublishedNumber[];
  /** All runs of handlers, in any order. */
  readonly runs: readonly HandlerRun[];
  /** In any order. */
  readonly disturbances: readonly Disturbance[];
  /** The `leaseTtlMs` of the group, in milliseconds. */
  readonly leaseTtlMs: number;
  /** What the server still held at the end. */
  readonly rest: { readonly unsettled: number; readonly parked: number };
}

/** Items by key, in their order. */
export function groupBy<T, K>(items: Iterable<T>, keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}

/** In the order in which they started. */
export function byStart(runs: readonly HandlerRun[]): HandlerRun[] {
  return [...runs].sort((one, other) => one.start - other.start);
}

/** When each event was first handled to its end, by sequence. */
export function firstEnds(runs: readonly HandlerRun[]): Map<number, Ms> {
  const ends = new Map<number, Ms>();
  for (const { sequence, outcome, end } of runs)
    if (outcome === 'handled' && end < (ends.get(sequence) ?? Infinity)) ends.set(sequence, end);
  return ends;
}
