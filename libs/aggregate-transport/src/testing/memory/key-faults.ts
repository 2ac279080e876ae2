/** A write that has left its process and has not reached the key. */
export interface HeldWrite<T> {
  readonly value: T;
  /** The revision that the writer expects. */
  readonly revision: number;
  /** Lets the write reach the key now. Returns the key's answer: the new revision, or undefined if it refuses. */
  arrive(): number | undefined;
}

type Matches<T> = (value: T) => boolean;

interface WriteFault<T> {
  readonly kind: 'hold' | 'drop answer';
  readonly matches: Matches<T>;
}

const ANY = (): boolean => true;

/** Faults between the processes of a test and one key. A fault concerns one request: the next that matches. */
export class KeyFaults<T> {
  readonly #writes: WriteFault<T>[] = [];
  readonly #held: HeldWrite<T>[] = [];
  #failedReads = 0;

  /** Writes on their way, in the order they were sent. */
  get held(): readonly HeldWrite<T>[] {
    return this.#held;
  }

  /** Holds the next write until {@link HeldWrite.arrive} is called. The writer gives up after 500 ms of the clock. */
  holdWrite(matches: Matches<T> = ANY): void {
    this.#writes.push({ kind: 'hold', matches });
  }

  /** The next write reaches the key, and its writer never hears the answer. */
  dropAnswer(matches: Matches<T> = ANY): void {
    this.#writes.push({ kind: 'drop answer', matches });
  }

  /** The next reads are not answered. */
  failRead(count = 1): void {
    this.#failedReads += count;
  }

  /** @internal Uses up the fault of a write. */
  takeWrite(value: T): WriteFault<T>['kind'] | undefined {
    const index = this.#writes.findIndex(({ matches }) => matches(value));
    return index < 0 ? undefined : this.#writes.splice(index, 1)[0]?.kind;
  }

  /** @internal Uses up the fault of a read. */
  takeRead(): boolean {
    if (this.#failedReads === 0) return false;
    this.#failedReads--;
    return true;
  }

  /** @internal */
  hold(write: HeldWrite<T>): void {
    this.#held.push(write);
  }

  /** @internal */
  release(write: HeldWrite<T>): void {
    const index = this.#held.indexOf(write);
    if (index >= 0) this.#held.splice(index, 1);
  }
}
