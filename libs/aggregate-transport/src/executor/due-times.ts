import type { Clock, Timer } from '../clock.js';

interface Entry<T> {
  readonly dueAt: number;
  readonly value: T;
}

/**
 * Values that become due later, behind one timer however many they are.
 * A binary heap; entries never change, so the order inside it cannot rot.
 */
export class DueTimes<T> {
  readonly #heap: Entry<T>[] = [];
  #timer: Timer | undefined;
  #timerAt = Number.POSITIVE_INFINITY;

  constructor(
    private readonly clock: Clock,
    private readonly onDue: (value: T) => void,
  ) {}

  get size(): number {
    return this.#heap.length;
  }

  add(delayMs: number, value: T): void {
    const entry = { dueAt: this.clock.now() + delayMs, value };
    let index = this.#heap.push(entry) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = this.#heap[above];
      if (parent === undefined || parent.dueAt <= entry.dueAt) break;
      this.#heap[index] = parent;
      index = above;
    }
    this.#heap[index] = entry;
    this.#arm();
  }

  /** Forgets everything that is not yet due. */
  clear(): void {
    this.#heap.length = 0;
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
  }

  #arm(): void {
    const first = this.#heap[0];
    if (first === undefined || first.dueAt >= this.#timerAt) return;
    this.#timer?.cancel();
    this.#timerAt = first.dueAt;
    this.#timer = this.clock.after(Math.max(0, first.dueAt - this.clock.now()), () => this.#fire());
  }

  #fire(): void {
    this.#timer = undefined;
    this.#timerAt = Number.POSITIVE_INFINITY;
    const now = this.clock.now();
    for (let first = this.#heap[0]; first !== undefined && first.dueAt <= now; first = this.#heap[0]) {
      this.#removeFirst();
      this.onDue(first.value);
    }
    this.#arm();
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      let smaller = this.#heap[child];
      if (smaller === undefined) break;
      const right = this.#heap[child + 1];
      if (right !== undefined && right.dueAt < smaller.dueAt) {
        smaller = right;
        child++;
      }
      if (last.dueAt <= smaller.dueAt) break;
      this.#heap[index] = smaller;
      index = child;
    }
    this.#heap[index] = last;
  }
}
