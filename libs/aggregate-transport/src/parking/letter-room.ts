/** Bytes of letters in memory, over all aggregates of a partition, up to which letters are read ahead. */
const MAX_AHEAD_BYTES = 16_777_216;

/**
 * Bounds what letters that are read ahead take, however many aggregates are replayed at once. While it is full, letters
 * are read one at a time.
 */
export class LetterRoom {
  #held = 0;

  constructor(private readonly limit = MAX_AHEAD_BYTES) {}

  get held(): number {
    return this.#held;
  }

  /** Takes room for a request; false if there is none. */
  take(bytes: number): boolean {
    if (this.#held + bytes > this.limit) return false;
    this.#held += bytes;
    return true;
  }

  /** Takes room for a letter that is there already. */
  force(bytes: number): void {
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}
