import type { FaultKind } from './nemesis-plan.js';
import type { Evidence } from './oracle.js';

/** How long and how hard a run is. */
export interface Profile {
  readonly warmUpMs: number;
  readonly faultsMs: number;
  readonly keys: number;
  readonly eventsPerSecond: number;
  /** Runs unless `--seeds` says otherwise. */
  readonly seeds: number;
  /** The only kinds of fault, and the only number of replicas; else the seed and the command say. */
  readonly kinds?: readonly FaultKind[];
  readonly replicas?: 1 | 3;
  /** What every run must have seen, or it proves nothing; batches only one with long queues. */
  readonly least: { readonly faults: number; readonly events: number } & Partial<Evidence>;
}

export const PROFILES = {
  short: {
    warmUpMs: 300,
    faultsMs: 9_000,
    keys: 12,
    eventsPerSecond: 300,
    seeds: 1,
    // Those that are over soon, so that a short run has several.
    kinds: [
      'cut',
      'refuse',
      'lag',
      'server-kill',
      'slow-server',
      'stream-full',
      'oversize',
      'no-responders',
      'kill-in-burst',
      'burst',
    ],
    least: { faults: 3, events: 300 },
  },
  full: {
    warmUpMs: 500,
    faultsMs: 28_000,
    keys: 24,
    eventsPerSecond: 400,
    seeds: 5,
    least: { faults: 10, events: 800, resends: 20, duplicates: 1, batches: 1 },
  },
  /** Leader changes and nothing else, under a load that makes 10 000 events. */
  'step-downs': {
    warmUpMs: 500,
    faultsMs: 45_000,
    keys: 40,
    eventsPerSecond: 800,
    seeds: 1,
    kinds: ['step-down'],
    replicas: 3,
    least: { faults: 8, events: 10_000 },
  },
} as const satisfies Record<string, Profile>;
export type ProfileName = keyof typeof PROFILES;
