import type { Clock } from '#board/clock.js';

/** A clock that moves when a test says so. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  readonly #calls = new Set<{ readonly at: number; readonly call: () => void }>();

  readonly wallNow = (): number => this.#now;

  readonly after = (ms: number, call: () => void): (() => void) => {
    const planned = { at: this.#now + ms, call };
    this.#calls.add(planned);
    return () => void this.#calls.delete(planned);
  };

  get planned(): number {
    return this.#calls.size;
  }

  /** Lets time pass, and everything run that it makes due. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    await settled();
    for (;;) {
      const [next] = [...this.#calls].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#calls.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.call();
      await settled();
    }
    this.#now = until;
    await settled();
  }
}

/** Everything that waits for a promise which is settled has run. */
export async function settled(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
