import type { Clock } from '../../clock.js';

/** Over all partitions of a topic in one process: a quarter of a millisecond for each kB written. */
const SHARED_MS_PER_BYTE = 0.25 / 1_024;
/** Of one partition. */
const OWN_MS_PER_BYTE = 1 / 1_024;
/** A store that answers late is asked less often. */
const ANSWERS_PER_PAUSE = 4;
/** Settled events that end this pause: a crash then repeats no more than what is settled during two answers. */
const SETTLED_PER_PAUSE = 500;
/** A store that was away and answers at last is no slow store: commits must not stop for four times as long. */
const MAX_ANSWER_PAUSE_MS = 1_000;
/** Smaller records need no pause for their size. */
const FREE_BYTES = 1_024;

/** What the partitions of one topic in this process write together. */
export class WriteBudget {
  #freeAt = 0;

  constructor(private readonly clock: Clock) {}

  /** When the next write may leave, on the clock. */
  get freeAt(): number {
    return this.#freeAt;
  }

  noteSent(bytes: number): void {
    if (bytes <= FREE_BYTES) return;
    this.#freeAt = Math.max(this.#freeAt, this.clock.now()) + bytes * SHARED_MS_PER_BYTE;
  }
}

/** When the next commit of a partition may leave: not before the largest of several pauses has passed. */
export class CommitPace {
  #sentAt = Number.NEGATIVE_INFINITY;
  #bytes = 0;
  #answeredInMs = 0;

  constructor(
    private readonly clock: Clock,
    /** 0: as soon as the one before is answered, however large it was. */
    private readonly commitEveryMs: number,
    private readonly budget: WriteBudget,
  ) {}

  noteSent(bytes: number): void {
    this.#sentAt = this.clock.now();
    this.#bytes = bytes <= FREE_BYTES ? 0 : bytes;
    this.budget.noteSent(bytes);
  }

  noteAnswered(): void {
    this.#answeredInMs = this.clock.now() - this.#sentAt;
  }

  /** True for the event with which the pause for a late answer ends. */
  beginsToPress(settled: number): boolean {
    return settled === SETTLED_PER_PAUSE;
  }

  /** Milliseconds from now; 0 or less: now. `settled`: how many events have been since the last commit was sent. */
  waitMs(settled: number): number {
    if (this.commitEveryMs === 0) return 0;
    const pause = Math.max(
      this.commitEveryMs,
      settled >= SETTLED_PER_PAUSE
        ? 0
        : Math.min(MAX_ANSWER_PAUSE_MS, ANSWERS_PER_PAUSE * this.#answeredInMs),
      this.#bytes * OWN_MS_PER_BYTE,
    );
    return Math.max(this.#sentAt + pause, this.budget.freeAt) - this.clock.now();
  }
}
