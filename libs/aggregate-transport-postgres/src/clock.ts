/** A timer that can be called off, also after it fired. */
export interface Timer {
  cancel(): void;
}

/** Time as the relay sees it. Tests replace it. */
export interface Clock {
  /** Milliseconds from a fixed point; never goes back. */
  now(): number;
  /** Milliseconds since 1970; may jump. */
  wallNow(): number;
  /** Calls back once. Never keeps the process alive. */
  after(delayMs: number, callback: () => void): Timer;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after: (delayMs, callback) => {
    const timeout = setTimeout(callback, delayMs);
    timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
};
