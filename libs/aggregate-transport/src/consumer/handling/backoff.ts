/** How long a failed attempt waits before the next one. */
export interface Backoff {
  /** Wait after the first failure, in milliseconds. */
  readonly firstDelayMs: number;
  /** Each further wait is this many times the one before. */
  readonly factor: number;
  /** No wait is longer, in milliseconds. */
  readonly maxDelayMs: number;
  /** Share of the wait that is drawn at random, 0 to 1: 0.2 waits 80 to 100 % of it. */
  readonly jitter: number;
}

/** The wait after failed attempt number `attempt` (1, 2, …). `random` is a number in [0, 1). */
export function backoffMs(attempt: number, backoff: Backoff, random: number): number {
  const grown = backoff.firstDelayMs * backoff.factor ** (attempt - 1);
  const capped = Math.min(grown, backoff.maxDelayMs);
  return Math.max(1, Math.round(capped * (1 - backoff.jitter * random)));
}
