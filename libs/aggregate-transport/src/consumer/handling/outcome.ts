import type { ParkReason } from '../../message/park-reason.js';
import { blocksAggregate, describeError } from '../../errors.js';
import { isThenable, kindOf, muteRejection } from '../../foreign.js';
import { type Backoff, backoffMs } from './backoff.js';

/**
 * Where an attempt failed. `interceptor` is everything around the handler that is none of the others. `route` is an
 * event that no handler is for, `crash` an event whose every start ended its process. `shape` is what the topic's
 * definition says of payloads: upcasters and schema.
 */
export type FailureStage =
  'decode' | 'route' | 'shape' | 'guard' | 'interceptor' | 'pipe' | 'handler' | 'crash';

/** A failed attempt. `error` is what was thrown, untouched. */
export interface Failure {
  readonly stage: FailureStage;
  readonly error: unknown;
  /** The handler said that no retry can help. */
  readonly unrecoverable: boolean;
  /** It came under a subject that no aggregate has, so there is no order that passing it over could break. */
  readonly isNobodys?: true;
}

export interface RetryPolicy extends Backoff {
  /** Attempts before an event counts as exhausted, the first included. */
  readonly attempts: number;
}

/**
 * What happens to an event whose attempts are used up. `park`: the event and later ones of its aggregate become
 * letters. `skip`: only the event does, a hole in the order. `block`: its aggregate tries for ever. `halt`: the
 * partition stops.
 */
export type OnExhausted = 'park' | 'skip' | 'block' | 'halt';

/** What an error calls for: one of the policies at once, or `retry` while attempts are left. */
export type Disposition = 'retry' | OnExhausted;

/** What `consume.classify` decides on. */
export interface FailedAttempt {
  /** What was thrown, untouched. */
  readonly error: unknown;
  /** Where the attempt failed. */
  readonly stage: FailureStage;
  /** Which attempt it was, from 1. */
  readonly attempt: number;
  /** The event's type; undefined if its body could not be decoded. */
  readonly type: string | undefined;
}

/** What follows a failed attempt, and what was wrong with the answer of `classify`, if anything was. */
export type Decision = Outcome & { readonly classifierFault?: string };

/** What follows a failed attempt; the closed set. */
export type Outcome =
  /** The head of the lane runs again after the wait. */
  | { readonly kind: 'retry'; readonly delayMs: number }
  /** As `retry`, for ever, at the longest wait: attempts are used up or cannot help. */
  | { readonly kind: 'block'; readonly delayMs: number }
  /** The event becomes a letter, and so does what follows of its aggregate. */
  | { readonly kind: 'park'; readonly reason: ParkReason }
  /** The event becomes a letter, and its aggregate continues without it. */
  | { readonly kind: 'skip'; readonly reason: ParkReason }
  /** The partition stops. */
  | { readonly kind: 'halt' };

export interface FailurePolicy {
  /** Attempts, and the waits between them. */
  readonly retry: RetryPolicy;
  /** What follows when attempts are used up. */
  readonly onExhausted: OnExhausted;
  /**
   * Decides by the error; undefined leaves it to the rest of the policy. Pure, and answers at once. Anything but a
   * {@link Disposition} (a throw, a promise, another word) is logged and counts as undefined.
   */
  readonly classify?: ((failed: FailedAttempt) => Disposition | undefined) | undefined;
}

/**
 * What follows failed attempt number `attempt` (1, 2, …). Pure.
 *
 * A guard's refusal says nothing about the event, so it never exhausts it: the lane blocks until the guard lets it
 * pass. An error that says its event must wait blocks the lane, too. Bytes that cannot be decoded and payloads that a
 * schema or a pipe rejects fail the same way every time. They are exhausted at once, as is an event that the handler
 * calls unrecoverable.
 */
export function decideOutcome(
  failure: Failure,
  { attempt, type }: { readonly attempt: number; readonly type?: string | undefined },
  policy: FailurePolicy,
  random: number,
): Decision {
  if (failure.stage === 'guard' || blocksAggregate(failure.error)) return longestOf(policy);
  const { chosen, fault } = classified(policy, { error: failure.error, stage: failure.stage, attempt, type });
  const outcome = outcomeOf({ failure, chosen, attempt }, policy, random);
  return fault === undefined ? outcome : { ...outcome, classifierFault: fault };
}

function longestOf({ retry }: FailurePolicy): Outcome {
  return { kind: 'block', delayMs: retry.maxDelayMs };
}

interface Judged {
  readonly failure: Failure;
  readonly chosen: Disposition | undefined;
  readonly attempt: number;
}

function outcomeOf({ failure, chosen, attempt }: Judged, policy: FailurePolicy, random: number): Outcome {
  const hopeless = HOPELESS[failure.stage] !== undefined || failure.unrecoverable;
  const mayRetry = chosen === undefined ? !hopeless : chosen === 'retry' && failure.stage !== 'crash';
  if (mayRetry && attempt < policy.retry.attempts) {
    return { kind: 'retry', delayMs: backoffMs(attempt, policy.retry, random) };
  }
  const disposition = chosen === undefined || chosen === 'retry' ? policy.onExhausted : chosen;
  switch (disposition) {
    case 'halt':
      return { kind: 'halt' };
    case 'block':
      return longestOf(policy);
    case 'park':
    case 'skip':
      return { kind: disposition, reason: reasonOf(failure) };
  }
}

/** Stages that fail the same way every time. */
const HOPELESS: Readonly<Partial<Record<FailureStage, ParkReason>>> = {
  decode: 'UNDECODABLE',
  route: 'UNHANDLED_TYPE',
  shape: 'REJECTED',
  pipe: 'REJECTED',
  crash: 'CRASHED',
};

/** Why an event with this failure is parked. */
export function reasonOf({ stage, unrecoverable }: Failure): ParkReason {
  return HOPELESS[stage] ?? (unrecoverable ? 'UNRECOVERABLE' : 'EXHAUSTED');
}

interface Classified {
  readonly chosen: Disposition | undefined;
  /** Why the answer does not count. A broken classifier must not decide; the plain policy does. */
  readonly fault?: string;
}

function classified({ classify }: FailurePolicy, failed: FailedAttempt): Classified {
  if (classify === undefined) return { chosen: undefined };
  try {
    const answer: unknown = classify(failed);
    if (answer === undefined || isDisposition(answer)) return { chosen: answer };
    muteRejection(answer);
    return { chosen: undefined, fault: `found ${shownAnswer(answer)}` };
  } catch (error) {
    return { chosen: undefined, fault: `found that it throws ${describeError(error)}` };
  }
}

const DISPOSITIONS: ReadonlySet<unknown> = new Set<Disposition>(['retry', 'park', 'skip', 'block', 'halt']);

function isDisposition(answer: unknown): answer is Disposition {
  return DISPOSITIONS.has(answer);
}

const LONGEST_SHOWN = 40;

/** A word is most likely a typo, and the typo is what helps. */
function shownAnswer(answer: unknown): string {
  if (typeof answer === 'string') return `"${answer.slice(0, LONGEST_SHOWN)}"`;
  return isThenable(answer) ? 'a promise (an async function?)' : kindOf(answer);
}
