import type { Clock, Timer } from '../../clock.js';

/**
 * When the time of a holder is over. Both clocks must agree that some is left: the monotonic one may stand still while
 * a machine sleeps, the wall clock may be set back. Once it was found over it stays so until it is extended. The holder
 * has stopped by then, and nothing but an extension tells it to begin again.
 */
export class Deadline {
  #at = 0;
  #wallAt = 0;
  #isOver = false;
  #timer: Timer | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly over: () => void,
  ) {}

  /** In milliseconds; 0 or less: it is over. */
  remainingMs(): number {
    const left = Math.min(this.#at - this.clock.now(), this.#wallAt - this.clock.wallNow());
    if (left <= 0) this.#isOver = true;
    return this.#isOver ? Math.min(left, 0) : left;
  }

  /** A moment to count from; see {@link extend}. */
  moment(): { readonly now: number; readonly wallNow: number } {
    return { now: this.clock.now(), wallNow: this.clock.wallNow() };
  }

  /** It is over `ms` after the moment; then it says so, for there may be no one who asks. */
  extend({ now, wallNow }: ReturnType<Deadline['moment']>, ms: number): void {
    this.#isOver = false;
    this.#at = now + ms;
    this.#wallAt = wallNow + ms;
    this.cancel();
    this.#timer = this.clock.after(this.#at - this.clock.now() + 1, this.over);
  }

  /** Says nothing any more. */
  cancel(): void {
    this.#timer?.cancel();
  }
}
