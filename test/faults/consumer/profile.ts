/** How long and how hard a run is. */
export interface Profile {
  readonly faultsMs: number;
  readonly warmUpMs: number;
  readonly quietWithinMs: number;
  readonly keys: number;
  readonly eventsPerSecond: number;
  /** Ends with an event that kills its process, or with a stream that goes back to an earlier state, by turns. */
  readonly epilogue: boolean;
  /** Runs unless `--seeds` says otherwise. */
  readonly seeds: number;
  /** What all runs together must have seen, or they prove nothing. Per run. */
  readonly least: { readonly faults: number; readonly takeovers: number; readonly replays: number };
}

export const PROFILES = {
  short: {
    faultsMs: 8_000,
    warmUpMs: 300,
    quietWithinMs: 20_000,
    keys: 16,
    eventsPerSecond: 400,
    epilogue: false,
    seeds: 2,
    // A commit follows an event within milliseconds, so that a short run may repeat none.
    least: { faults: 4, takeovers: 2, replays: 0.5 },
  },
  full: {
    faultsMs: 25_000,
    warmUpMs: 500,
    quietWithinMs: 45_000,
    keys: 24,
    eventsPerSecond: 600,
    epilogue: true,
    seeds: 5,
    least: { faults: 12, takeovers: 6, replays: 20 },
  },
} as const satisfies Record<string, Profile>;
export type ProfileName = keyof typeof PROFILES;
