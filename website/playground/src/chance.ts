/** The same numbers for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What an attempt of a handler will do. */
export interface Fate {
  readonly takesMs: number;
  readonly fails: boolean;
}

const SHORT_MS = 30;
const LONG_MS = 900;
/** Of full chaos: so many attempts fail, so many take long. */
const FAIL_SHARE = 0.3;
const LONG_SHARE = 0.2;

/** The fate of one attempt: both sides of the page ask here, so what differs is the transport alone. */
export class Fates {
  /** 0: nothing goes wrong; 1: very much does. */
  chaos = 0;

  constructor(private readonly seed: number) {}

  of(key: number, n: number, attempt: number): Fate {
    const random = seeded(
      this.seed ^ Math.imul(key + 1, 7919) ^ Math.imul(n, 104_729) ^ Math.imul(attempt, 31),
    );
    random();
    const [fail, long, time] = [random(), random(), random()];
    const takesMs = SHORT_MS + time * (long < LONG_SHARE * this.chaos ? LONG_MS : SHORT_MS);
    return { takesMs: Math.round(takesMs), fails: fail < FAIL_SHARE * this.chaos };
  }
}
