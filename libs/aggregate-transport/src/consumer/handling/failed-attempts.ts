import { blockReasonOf, describeError, errorNamesOf } from '../../errors.js';
import type { Log } from '../../log.js';
import type { Delivery } from '../../message/delivery.js';
import type { FailureLog } from './failure-log.js';
import type { HandlerCalls } from './handler-calls.js';
import { type Decision, decideOutcome, type Failure, type FailurePolicy } from './outcome.js';

export interface FailedAttemptsOptions {
  readonly calls: Pick<HandlerCalls, 'nameOf'>;
  readonly failures: FailureLog;
  readonly random: () => number;
  readonly log: Log;
}

/** A failed attempt, in words. */
export interface FailedAttempt {
  /** The event, its stage and its attempt. */
  readonly what: string;
  readonly why: string;
  readonly failure: Failure;
}

/**
 * Decides what follows a failed attempt, and tells of it, for events and for letters alike. An aggregate has a line for
 * each change of its state; the rest goes into summaries ({@link FailureLog}).
 */
export class FailedAttempts {
  constructor(private readonly options: FailedAttemptsOptions) {}

  decide(event: Delivery, failure: Failure, policy: FailurePolicy): Decision {
    const about = { attempt: event.attempt, type: event.envelope?.event_type };
    return decideOutcome(failure, about, policy, this.options.random());
  }

  /**
   * Notes the failure at the event. If the event is tried again, it is told here; all other outcomes are told by
   * {@link tell}. `how` is put after "failed": ` as a letter`.
   */
  note(event: Delivery, failure: Failure, decision: Decision, how = ''): FailedAttempt {
    const { calls, failures } = this.options;
    const name = calls.nameOf(event);
    const why = describeError(failure.error);
    const what = `${name} failed${how} in its ${failure.stage} (attempt ${event.attempt})`;
    const hasChanged = event.lastFailure?.outcome !== decision.kind;
    const said = { stage: failure.stage, outcome: decision.kind, error: why };
    const block = decision.kind === 'block' ? blockReasonOf(failure.error) : undefined;
    event.failed(said, { ...errorNamesOf(failure.error), block });
    if (decision.classifierFault !== undefined) failures.classifierFailed(name, decision.classifierFault);
    if (decision.kind === 'retry') {
      const text = `${what}, again in ${decision.delayMs} ms: ${why}`;
      failures.attemptFailed(event.token, why, hasChanged ? { level: 'warn', text } : undefined);
    } else if (decision.kind === 'block') {
      const text = `${what}; its aggregate is blocked and tried again every ${decision.delayMs} ms: ${why}`;
      const line = { level: 'error', text: text + hintFor(failure), error: failure.error } as const;
      failures.attemptFailed(event.token, why, hasChanged ? line : undefined);
    }
    return { what, why, failure };
  }

  /** A call with several events failed: each is tried again alone, from the head on. */
  noteTogether(head: Delivery, others: number, failure: Failure): void {
    const { calls, failures } = this.options;
    const why = describeError(failure.error);
    head.failed({ stage: failure.stage, outcome: 'retry', error: why }, errorNamesOf(failure.error));
    const text =
      `${calls.nameOf(head)} and the ${others} events after it failed together in their ${failure.stage}; ` +
      `each is tried again alone: ${why}`;
    failures.attemptFailed(head.token, why, { level: 'warn', text });
  }

  /** The head was to be parked, and the breaker keeps it in its lane. */
  noteKept(event: Delivery, { why }: FailedAttempt): void {
    this.options.failures.attemptFailed(event.token, why);
  }

  /** Tells of an event that is not tried again. `then` says what follows. */
  tell({ what, why, failure }: FailedAttempt, then: string): void {
    this.options.log.error(`${what}${then}: ${why}`, failure.error);
  }

  /** An event is handled: tells of it if it had failed before. `how` is put after "handled": ` as a letter`. */
  noteHandled(event: Delivery, how = ''): void {
    const { calls, failures } = this.options;
    if (event.attempt > 1)
      failures.recovered(`${calls.nameOf(event)} handled${how} in attempt ${event.attempt}`);
  }
}

function hintFor(failure: Failure): string {
  return failure.stage === 'guard'
    ? "; if the guard is meant for HTTP only, let it pass when context.getType() === 'rpc'"
    : '';
}
