/** Bytes of letters in memory, over all aggregates of a partition, up to which letters are read ahead. */
const MAX_AHEAD_BYTES = 16_777_216;
/** Bytes that one request may ask for: at most, and at least. */
export const PAGE_BYTES = 262_144;
const LEAST_PAGE_BYTES = 16_384;
/** A request takes this part of what is free, so that many aggregates that are replayed at once all get some. */
const SHARE_OF_FREE = 1 / 64;

/**
 * Bounds what letters that are read ahead take, however many aggregates are replayed at once. Requests get smaller as
 * it fills; while it is full, letters are read one at a time.
 */
export class LetterRoom {
  #held = 0;

  constructor(private readonly limit = MAX_AHEAD_BYTES) {}

  get held(): number {
    return this.#held;
  }

  /** Takes room for a request, and tells how much; 0 if there is none. */
  take(): number {
    const free = this.limit - this.#held;
    if (free < LEAST_PAGE_BYTES) return 0;
    const bytes = Math.floor(Math.min(PAGE_BYTES, Math.max(LEAST_PAGE_BYTES, free * SHARE_OF_FREE)));
    this.#held += bytes;
    return bytes;
  }

  /** Takes room for a letter that is there already. */
  force(bytes: number): void {
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}
