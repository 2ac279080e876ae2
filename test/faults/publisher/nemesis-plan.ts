import { between, drawn, randomFor } from '../harness/random.js';

/** Every kind of fault the publisher's nemesis knows. */
export const FAULT_KINDS = [
  'cut',
  'refuse',
  'blackhole-c2s',
  'acks-lost',
  'blackhole-both',
  'half-open',
  'late-copies',
  'late-copies-full',
  'lag',
  'server-kill',
  'server-freeze',
  'slow-server',
  'step-down',
  'stream-full',
  'oversize',
  'no-responders',
  'kill-in-burst',
  'freeze-publisher',
  'burst',
] as const;
export type FaultKind = (typeof FAULT_KINDS)[number];

export interface PlannedFault {
  readonly kind: FaultKind;
  readonly ms: number;
  /** How long the next one waits. */
  readonly pauseMs: number;
  /** The next one does not wait for this one's end. */
  readonly overlaps: boolean;
  /** Which of several servers, keys or ways it hits: from 0 up to 1. */
  readonly aim: number;
}

/** How long a fault of each kind lasts, in milliseconds. A dead connection is noticed within six seconds. */
const DURATIONS: Record<FaultKind, readonly [number, number]> = {
  cut: [0, 0],
  refuse: [100, 1_500],
  'blackhole-c2s': [300, 4_500],
  'acks-lost': [300, 4_500],
  'blackhole-both': [300, 4_500],
  // Until the publisher has left for another way, and so long more.
  'half-open': [0, 500],
  'late-copies': [0, 1_500],
  'late-copies-full': [300, 800],
  // Longer than the wait for an answer, shorter than what notices a dead connection: copies arrive together.
  lag: [2_100, 3_000],
  'server-kill': [0, 1_500],
  'server-freeze': [300, 4_500],
  'slow-server': [800, 2_000],
  'step-down': [0, 300],
  'stream-full': [200, 1_200],
  oversize: [0, 0],
  'no-responders': [100, 1_200],
  'kill-in-burst': [0, 1_000],
  'freeze-publisher': [300, 7_000],
  burst: [0, 0],
};
const PAUSE_MS = [100, 600] as const;
const OVERLAP_SHARE = 0.45;
const PURPOSE_DECK = 12;
const PURPOSE_FAULT = 13;

/** What the nemesis does at a tick: a pure function of seed and tick. Kinds come from a shuffled deck. */
export function planFault(seed: number, tick: number, kinds: readonly FaultKind[]): PlannedFault {
  const kind = drawn(kinds, tick, seed, PURPOSE_DECK);
  const random = randomFor(seed, PURPOSE_FAULT, tick);
  return {
    kind,
    ms: between(random, ...DURATIONS[kind]),
    pauseMs: between(random, ...PAUSE_MS),
    overlaps: random() < OVERLAP_SHARE,
    aim: random(),
  };
}
