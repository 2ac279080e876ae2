/** Counts the event bodies that lanes hold, over all partitions of a topic and group in this process. */
export class ByteBudget {
  #held = 0;

  constructor(
    /** In bytes. A single event above it is admitted when nothing else is held. */
    readonly limit: number,
  ) {}

  get held(): number {
    return this.#held;
  }

  get isSpent(): boolean {
    return this.#held >= this.limit;
  }

  take(bytes: number): void {
    this.#held += bytes;
  }

  give(bytes: number): void {
    this.#held -= bytes;
  }
}
