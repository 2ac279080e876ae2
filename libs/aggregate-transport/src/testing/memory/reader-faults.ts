/** A request of a {@link ReaderPort} that a test may leave unanswered. */
export type ReaderCall = 'open' | 'stream' | 'find' | 'info';

/** Faults of the server that keeps the readers of one partition. */
export class ReaderFaults {
  readonly #skipped = new Set<number>();
  readonly #failures: ReaderCall[] = [];
  #lost = 0;
  #below = 0;

  /** The next reader begins this many sequences below its start, as one on a lagging replica does. */
  beginBelow(sequences: number): void {
    this.#below = sequences;
  }

  /** Readers never deliver these sequences, although the stream holds them. */
  skip(...sequences: readonly number[]): void {
    for (const sequence of sequences) this.#skipped.add(sequence);
  }

  /** The next deliveries are counted by the server and never arrive. */
  loseDeliveries(count: number): void {
    this.#lost += count;
  }

  /** The next request of this kind is carried out, and its answer never arrives. */
  dropAnswer(call: ReaderCall): void {
    this.#failures.push(call);
  }

  /** @internal */
  skips(sequence: number): boolean {
    return this.#skipped.has(sequence);
  }

  /** @internal Uses up {@link beginBelow}. */
  takeStart(fromSequence: number): number {
    const start = Math.max(1, fromSequence - this.#below);
    this.#below = 0;
    return start;
  }

  /** @internal Uses up one lost delivery. */
  takeLoss(): boolean {
    if (this.#lost === 0) return false;
    this.#lost--;
    return true;
  }

  /** @internal Uses up one dropped answer. */
  takeFailure(call: ReaderCall): boolean {
    const index = this.#failures.indexOf(call);
    if (index >= 0) this.#failures.splice(index, 1);
    return index >= 0;
  }
}
