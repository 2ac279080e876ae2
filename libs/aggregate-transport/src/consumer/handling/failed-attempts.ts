import { blockReasonOf, describeError, type ErrorFields, errorFields, errorNamesOf } from '../../errors.js';
import type { LogAt } from '../../log.js';
import type { Delivery } from '../../message/delivery.js';
import type { FailureLog } from './failure-log.js';
import type { AttemptFields, HandlerCalls } from './handler-calls.js';
import { type Decision, decideOutcome, type Failure, type FailurePolicy } from './outcome.js';

export interface FailedAttemptsOptions {
  readonly calls: Pick<HandlerCalls, 'nameOf' | 'fieldsOf'>;
  readonly failures: FailureLog;
  readonly random: () => number;
  readonly log: LogAt<'partition'>;
}

/** What fields of a log line say of a failed attempt. */
type FailureFields = AttemptFields & ErrorFields & { readonly stage: string; readonly isLetter?: true };

/** What became of an event that is not tried again, and of its aggregate. */
export type LastWord =
  | {
      readonly event: 'aggregate-parked' | 'aggregate-stays-parked' | 'event-skipped';
      readonly reason: string;
    }
  | { readonly event: 'event-halts' };

/** A failed attempt, in words. */
export interface FailedAttempt {
  readonly fields: FailureFields;
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
   * {@link tell}.
   */
  note(event: Delivery, failure: Failure, decision: Decision, isLetter = false): FailedAttempt {
    const { calls, failures, log } = this.options;
    const name = calls.nameOf(event);
    const why = describeError(failure.error);
    const what = `${name} failed${isLetter ? AS_LETTER : ''} in its ${failure.stage} (attempt ${event.attempt})`;
    const hasChanged = event.lastFailure?.outcome !== decision.kind;
    const said = { stage: failure.stage, outcome: decision.kind, error: why };
    const block = decision.kind === 'block' ? blockReasonOf(failure.error) : undefined;
    event.failed(said, { ...errorNamesOf(failure.error), block });
    if (decision.classifierFault !== undefined) failures.classifierFailed(name, decision.classifierFault);
    const fields = this.#fieldsOf(event, failure, isLetter);
    if (decision.kind === 'retry') {
      const { delayMs: againInMs } = decision;
      const text = `${what}, again in ${againInMs} ms: ${why}`;
      const say = (): void => log.write('attempt-failed', { ...fields, againInMs }, text);
      failures.attemptFailed(event.token, why, hasChanged ? say : undefined);
    } else if (decision.kind === 'block') {
      const { delayMs: againInMs } = decision;
      const text = `${what}; its aggregate is blocked and tried again every ${againInMs} ms: ${why}${hintFor(failure)}`;
      const say = (): void => log.write('aggregate-blocked', { ...fields, againInMs }, text, failure.error);
      failures.attemptFailed(event.token, why, hasChanged ? say : undefined);
    }
    return { fields, what, why, failure };
  }

  /** A call with several events failed: each is tried again alone, from the head on. */
  noteTogether(head: Delivery, others: number, failure: Failure): void {
    const { calls, failures, log } = this.options;
    const why = describeError(failure.error);
    const fields = { ...this.#fieldsOf(head, failure, false), count: others + 1 };
    head.failed({ stage: failure.stage, outcome: 'retry', error: why }, errorNamesOf(failure.error));
    const text =
      `${calls.nameOf(head)} and the ${others} events after it failed together in their ${failure.stage}; ` +
      `each is tried again alone: ${why}`;
    failures.attemptFailed(head.token, why, () => log.write('batch-failed', fields, text));
  }

  /** The head was to be parked, and the breaker keeps it in its lane. */
  noteKept(event: Delivery, { why }: FailedAttempt): void {
    this.options.failures.attemptFailed(event.token, why);
  }

  /** Tells of an event that is not tried again. `then` says what follows, in words. */
  tell({ fields, what, why, failure }: FailedAttempt, last: LastWord, then: string): void {
    const { log } = this.options;
    const text = `${what}${then}: ${why}`;
    if (last.event === 'event-halts') log.write(last.event, fields, text, failure.error);
    else log.write(last.event, { ...fields, reason: last.reason }, text, failure.error);
  }

  /** An event is handled: tells of it if it had failed before. */
  noteHandled(event: Delivery, isLetter = false): void {
    const { calls, failures, log } = this.options;
    if (event.attempt <= 1) return;
    failures.recovered(() => {
      const text = `${calls.nameOf(event)} handled${isLetter ? AS_LETTER : ''} in attempt ${event.attempt}`;
      const fields = { ...calls.fieldsOf(event), ...(isLetter ? { isLetter } : {}) };
      log.write('event-recovered', fields, text);
    });
  }

  #fieldsOf(event: Delivery, failure: Failure, isLetter: boolean): FailureFields {
    return {
      ...this.options.calls.fieldsOf(event),
      ...errorFields(failure.error),
      stage: failure.stage,
      ...(isLetter ? { isLetter } : {}),
    };
  }
}

const AS_LETTER = ' as a letter';

function hintFor(failure: Failure): string {
  return failure.stage === 'guard'
    ? "; if the guard is meant for HTTP only, let it pass when context.getType() === 'rpc'"
    : '';
}
