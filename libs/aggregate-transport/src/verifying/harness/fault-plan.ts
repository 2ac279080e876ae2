import { between, drawn, randomFor } from './random.js';

/** A fault as it is planned. */
export interface PlannedFault<K extends string> {
  readonly kind: K;
  /** Whether it hits the partition's owner or another process. */
  readonly role: 'owner' | 'other';
  readonly partition: number;
  /** How long it lasts; for a kill, until the process is started again. */
  readonly ms: number;
  /** How long the next one waits. */
  readonly pauseMs: number;
  /** The next one does not wait for this one's end. */
  readonly overlaps: boolean;
}

/** What faults are drawn from. */
export interface FaultDeck<K extends string> {
  readonly partitions: number;
  /** A kind that stands here twice comes twice as often. */
  readonly kinds: readonly K[];
  /** The shortest and the longest of each kind, in milliseconds. */
  readonly durations: Readonly<Record<K, readonly [number, number]>>;
}

const PAUSE_MS = [150, 900] as const;
const OWNER_SHARE = 0.75;
const OVERLAP_SHARE = 0.35;
const PURPOSE_DECK = 2;
const PURPOSE_FAULT = 3;

/**
 * The fault at a tick: a pure function, so that a seed repeats its plan in spite of other timings. Kinds come from a
 * shuffled deck, so that a run that is long enough has each of them.
 */
export function planFault<K extends string>(
  seed: number,
  tick: number,
  { partitions, kinds, durations }: FaultDeck<K>,
): PlannedFault<K> {
  const kind = drawn(kinds, tick, seed, PURPOSE_DECK);
  const random = randomFor(seed, PURPOSE_FAULT, tick);
  const [least, most]: readonly [number, number] = durations[kind];
  return {
    kind,
    role: random() < OWNER_SHARE ? 'owner' : 'other',
    partition: Math.floor(random() * partitions),
    ms: between(random, least, most),
    pauseMs: between(random, ...PAUSE_MS),
    overlaps: random() < OVERLAP_SHARE,
  };
}
