/** A timer that can be called off. Calling it off twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

/**
 * Time as the rest of the library sees it. Tests replace it by a manual clock;
 * nothing else in the library reads a clock or sets a timer.
 */
export interface Clock {
  /** Milliseconds from a fixed point; never goes back. */
  now(): number;
  /** Milliseconds since 1970; may jump. */
  wallNow(): number;
  /** Calls back once after `delayMs`. Never keeps the process alive. */
  after(delayMs: number, callback: () => void): Timer;
  /** Calls back when the code that runs now has come to its end, before any further input. */
  soon(callback: () => void): void;
  /** Calls back once the current turn of the event loop has handled its input. */
  nextTurn(callback: () => void): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  after: (delayMs, callback) => {
    const timeout = setTimeout(callback, delayMs);
    timeout.unref();
    return { cancel: () => clearTimeout(timeout) };
  },
  soon: queueMicrotask,
  nextTurn: (callback) => void setImmediate(callback),
};

/** Resolves after `delayMs` on the given clock. */
export function delay(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(delayMs, resolve));
}

/** Calls back every `periodMs`, measured from the end of one call to the start of the next. */
export function every(clock: Clock, periodMs: number, callback: () => void): Timer {
  let timer: Timer;
  const again = (): void => {
    timer = clock.after(periodMs, () => {
      callback();
      if (!cancelled) again();
    });
  };
  let cancelled = false;
  again();
  return {
    cancel: () => {
      cancelled = true;
      timer.cancel();
    },
  };
}
