/** At most one attempt in so many milliseconds is measured: a clock is read for no more of them. */
const SAMPLE_EVERY_MS = 5;
const SLICE_MS = 5_000;
const SLICES = 12;
/** Rates are told over at least so long, and at most one slice more. */
const RATE_MS = 10_000;
/** Of a process that has just begun: less than this tells nothing. */
const LEAST_RATE_MS = 1_000;
const MS_PER_S = 1_000;

/** Times from 1/16 ms to 2^22 ms, more than an hour. Each bucket ends a fourth of an octave above the one before. */
const BUCKETS_PER_OCTAVE = 4;
const LOWEST_OCTAVE = -4;
const OCTAVES = 26;
const BUCKETS = OCTAVES * BUCKETS_PER_OCTAVE;

/** How many events were handled, and how many attempts were made, since the process began. */
export interface WorkCounts {
  readonly handled: number;
  readonly attempts: number;
}

/** What the last minute says. */
export interface HandlerTimesView {
  readonly eventsPerSecond: number | undefined;
  readonly attemptsPerSecond: number | undefined;
  /** In milliseconds, 9 % too long or short at most; undefined if no attempt was measured in the last minute. */
  readonly times:
    | { readonly p50: number; readonly p99: number; readonly longest: number; readonly sampled: number }
    | undefined;
}

interface Slice {
  /** Counts slices of time from the clock's zero. */
  number: number;
  /** When its first attempt began, and the counts then. */
  at: number;
  handled: number;
  attempts: number;
  sampled: number;
  longest: number;
  readonly buckets: Uint16Array;
}

/**
 * How long the handlers of a partition take, and how many events it handles a second, over the last minute. It is told
 * of every attempt, so it reads no clock. It is given the time at which an attempt begins, and says whether its end is
 * to be measured. One attempt in 5 ms is: all of a slow partition, and few of a fast one. An attempt is chosen when it
 * begins, so slow handlers are not chosen less often.
 */
export class HandlerTimes {
  /** Made by the first attempt: most partitions of most processes never have one. */
  #slices: Slice[] | undefined;
  #current: Slice | undefined;
  #nextAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly counts: () => WorkCounts) {}

  /** An attempt begins. True if {@link ended} wants to hear of its end. */
  begins(now: number): boolean {
    if (now < this.#nextAt) return false;
    this.#nextAt = now + SAMPLE_EVERY_MS;
    const number = Math.floor(now / SLICE_MS);
    if (this.#current?.number !== number) this.#current = this.#enter(number, now);
    return true;
  }

  /** An attempt that was chosen has ended. */
  ended(ms: number): void {
    const slice = this.#current;
    if (slice === undefined) return;
    const bucket = bucketOf(ms);
    slice.buckets[bucket] = (slice.buckets[bucket] ?? 0) + 1;
    slice.sampled++;
    if (ms > slice.longest) slice.longest = ms;
  }

  view(now: number): HandlerTimesView {
    const first = Math.floor(now / SLICE_MS) - SLICES;
    const recent = (this.#slices ?? []).filter(({ number }) => number > first);
    return { ...this.#ratesOf(recent, now), times: timesOf(recent) };
  }

  #enter(number: number, now: number): Slice {
    const slices = (this.#slices ??= Array.from({ length: SLICES }, emptySlice));
    const slice = slices[number % SLICES] ?? emptySlice();
    const { handled, attempts } = this.counts();
    Object.assign(slice, { number, at: now, handled, attempts, sampled: 0, longest: 0 });
    slice.buckets.fill(0);
    return slice;
  }

  /**
   * From the first attempt that began at most 15 s ago. If none did, none was made: attempts begin a slice. If an
   * earlier slice is known, nothing began between the two, so the rate is over 10 s at least.
   */
  #ratesOf(
    recent: readonly Slice[],
    now: number,
  ): Pick<HandlerTimesView, 'eventsPerSecond' | 'attemptsPerSecond'> {
    const inTime = recent.filter(({ at }) => now - at <= RATE_MS + SLICE_MS);
    if (inTime.length === 0) return { eventsPerSecond: 0, attemptsPerSecond: 0 };
    const base = inTime.reduce((a, b) => (a.at < b.at ? a : b));
    const hasEarlier = recent.some(({ at }) => at < base.at);
    const overMs = hasEarlier ? Math.max(RATE_MS, now - base.at) : now - base.at;
    if (overMs < LEAST_RATE_MS) return { eventsPerSecond: undefined, attemptsPerSecond: undefined };
    const { handled, attempts } = this.counts();
    const perSecond = (count: number): number => (count / overMs) * MS_PER_S;
    return {
      eventsPerSecond: perSecond(handled - base.handled),
      attemptsPerSecond: perSecond(attempts - base.attempts),
    };
  }
}

function emptySlice(): Slice {
  const buckets = new Uint16Array(BUCKETS);
  return {
    number: Number.NEGATIVE_INFINITY,
    at: 0,
    handled: 0,
    attempts: 0,
    sampled: 0,
    longest: 0,
    buckets,
  };
}

function bucketOf(ms: number): number {
  const bucket = Math.floor((Math.log2(Math.max(ms, Number.MIN_VALUE)) - LOWEST_OCTAVE) * BUCKETS_PER_OCTAVE);
  return Math.min(BUCKETS - 1, Math.max(0, bucket));
}

/** The middle of a bucket. */
function msOf(bucket: number): number {
  return 2 ** ((bucket + 0.5) / BUCKETS_PER_OCTAVE + LOWEST_OCTAVE);
}

function timesOf(slices: readonly Slice[]): HandlerTimesView['times'] {
  const sampled = slices.reduce((sum, slice) => sum + slice.sampled, 0);
  if (sampled === 0) return undefined;
  const longest = slices.reduce((most, slice) => Math.max(most, slice.longest), 0);
  const quantile = (share: number): number => Math.min(longest, msOf(quantileOf(slices, share * sampled)));
  return { p50: quantile(0.5), p99: quantile(0.99), longest, sampled };
}

/** The bucket that holds the attempt of this rank. */
function quantileOf(slices: readonly Slice[], rank: number): number {
  let seen = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    for (const { buckets } of slices) seen += buckets[bucket] ?? 0;
    if (seen >= rank) return bucket;
  }
  return BUCKETS - 1;
}
