import { type Backoff, backoffMs } from './backoff.js';

/** Where an attempt failed. */
export type FailureStage = 'decode' | 'guard' | 'pipe' | 'handler';

/** A failed attempt. `error` is what was thrown, untouched. */
export interface Failure {
  readonly stage: FailureStage;
  readonly error: unknown;
  /** The handler said that no retry can help. */
  readonly unrecoverable: boolean;
}

export interface RetryPolicy extends Backoff {
  /** Attempts before an event counts as exhausted, the first included. */
  readonly attempts: number;
}

/** What happens to an event whose attempts are used up. */
export type OnExhausted = 'block' | 'halt';

/** What follows a failed attempt; the closed set. */
export type Outcome =
  /** The head of the lane runs again after the wait. */
  | { readonly kind: 'retry'; readonly delayMs: number }
  /** As `retry`, for ever, at the longest wait: attempts are used up or cannot help. */
  | { readonly kind: 'block'; readonly delayMs: number }
  /** The partition stops. */
  | { readonly kind: 'halt' };

export interface FailurePolicy {
  readonly retry: RetryPolicy;
  readonly onExhausted: OnExhausted;
}

/**
 * What follows failed attempt number `attempt` (1, 2, …). Pure.
 *
 * A guard's refusal says nothing about the event, so it never exhausts it: the lane blocks until the
 * guard lets it pass. Bytes that cannot be decoded and payloads a pipe rejects fail the same way every time,
 * so they are exhausted at once, as is whatever the handler calls unrecoverable.
 */
export function decideOutcome(
  failure: Failure,
  attempt: number,
  policy: FailurePolicy,
  random: number,
): Outcome {
  const longest: Outcome = { kind: 'block', delayMs: policy.retry.maxDelayMs };
  if (failure.stage === 'guard') return longest;
  const hopeless = failure.stage !== 'handler' || failure.unrecoverable;
  if (!hopeless && attempt < policy.retry.attempts) {
    return { kind: 'retry', delayMs: backoffMs(attempt, policy.retry, random) };
  }
  return policy.onExhausted === 'halt' ? { kind: 'halt' } : longest;
}
