/** Notes of a partition that are on their way at once, without those that a caller waits for. */
const NOTES_AT_ONCE = 4;

/** The letters of one aggregate, some of them worked through and not noted. */
export interface NoteTaker {
  /** Notes what is worked through by now. Never rejects. */
  noteInTurn(): Promise<void>;
}

/**
 * Paces the notes of a partition. The more aggregates are replayed at once the longer each waits for its turn, and the
 * more letters its note tells of. So notes cost about the same however many aggregates there are. First come, first
 * served.
 */
export class NoteTurns {
  readonly #waiting = new Set<NoteTaker>();
  #running = 0;

  constructor(private readonly limit = NOTES_AT_ONCE) {}

  isWaiting(taker: NoteTaker): boolean {
    return this.#waiting.has(taker);
  }

  /** Its note begins now, or when one of those before it has ended. */
  ask(taker: NoteTaker): void {
    this.#waiting.add(taker);
    this.#startNext();
  }

  leave(taker: NoteTaker): void {
    this.#waiting.delete(taker);
  }

  #startNext(): void {
    for (const taker of this.#waiting) {
      if (this.#running >= this.limit) return;
      this.#waiting.delete(taker);
      this.#running++;
      void taker.noteInTurn().finally(() => {
        this.#running--;
        this.#startNext();
      });
    }
  }
}
