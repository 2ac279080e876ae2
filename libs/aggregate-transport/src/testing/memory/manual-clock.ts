import type { Clock, Timer } from '../../clock.js';

interface Alarm {
  readonly at: number;
  readonly order: number;
  readonly callback: () => void;
}

/** A clock that stands still until a test moves it. Turns of the event loop are real, so promises settle without it. */
export class ManualClock implements Clock {
  #now: number;
  #order = 0;
  readonly #alarms = new Set<Alarm>();

  constructor(
    startMs = 0,
    /** The wall clock's reading when this clock starts. */
    private readonly wallStartMs = Date.UTC(2026, 0, 1),
  ) {
    this.#now = startMs;
  }

  /** Timers that have not fired. */
  get pendingTimers(): number {
    return this.#alarms.size;
  }

  now(): number {
    return this.#now;
  }

  wallNow(): number {
    return this.wallStartMs + this.#now;
  }

  after(delayMs: number, callback: () => void): Timer {
    const alarm = { at: this.#now + delayMs, order: this.#order++, callback };
    this.#alarms.add(alarm);
    return { cancel: () => void this.#alarms.delete(alarm) };
  }

  soon(callback: () => void): void {
    queueMicrotask(callback);
  }

  nextTurn(callback: () => void): void {
    setImmediate(callback);
  }

  /** Moves time. Fires every timer on the way in the order it is due, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const until = this.#now + ms;
    await this.settle();
    for (;;) {
      const next = [...this.#alarms]
        .filter((alarm) => alarm.at <= until)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (next === undefined) break;
      this.#alarms.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.callback();
      await this.settle();
    }
    this.#now = until;
  }

  /** Lets everything that is ready run: some turns of the event loop. */
  async settle(turns = 4): Promise<void> {
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
  }
}
