import type { Evidence } from './history.js';
import type { Special } from './nemesis-plan.js';

/** How long and how hard a run is. */
export interface Profile {
  /** Faults at steps; a special one comes after every fourth. */
  readonly steps: number;
  /** Only these, by turns, in place of what the seed says. */
  readonly only?: readonly Special[];
  /** Runs unless `--seeds` says otherwise. */
  readonly seeds: number;
  readonly shops: number;
  readonly handlers: number;
  /** What every run must have seen, or it proves nothing. */
  readonly least: { readonly faults: number; readonly events: number } & Partial<Evidence>;
  /** So many of these runs must have had every fault. */
  readonly allWithin: number;
}

export const PROFILES = {
  short: { steps: 3, seeds: 1, shops: 1, handlers: 2, least: { faults: 1, events: 10 }, allWithin: Infinity },
  full: {
    steps: 20,
    seeds: 5,
    shops: 2,
    handlers: 2,
    least: { faults: 18, events: 800, rolledBack: 20, deadlocks: 1, repeats: 1, takeovers: 5 },
    allWithin: 20,
  },
} as const satisfies Record<string, Profile>;
export type ProfileName = keyof typeof PROFILES;
