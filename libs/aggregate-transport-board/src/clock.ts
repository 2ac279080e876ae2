/** Time, as a parameter. */
export interface Clock {
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
  /** Calls once after `ms`; the answer calls that off. A waiting call does not keep a process alive. */
  readonly after: (ms: number, call: () => void) => () => void;
}

export const systemClock: Clock = {
  wallNow: () => Date.now(),
  after: (ms, call) => {
    const timer = setTimeout(call, ms).unref();
    return () => clearTimeout(timer);
  },
};
