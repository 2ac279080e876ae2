import type { Clock } from '../../clock.js';
import type { Delivery } from '../../message/delivery.js';
import type { ParkNote } from '../../message/park-reason.js';
import { PassingMap } from '../../passing-map.js';
import type { Letter } from '../../records/letter.js';
import type { AttemptEnds } from '../handling/attempt-ends.js';
import { endsLater } from '../handling/event-handlers.js';
import type { FailedAttempts } from '../handling/failed-attempts.js';
import type { HandlerCalls } from '../handling/handler-calls.js';
import type { MissingHandlers } from '../handling/missing-handlers.js';
import type { AttemptOutcome } from '../handling/lane-listener.js';
import { type Failure, type FailurePolicy, type Outcome, reasonOf } from '../handling/outcome.js';
import { letterEvent } from './letter-event.js';

export interface LetterAttemptsOptions {
  readonly topic: string;
  readonly calls: HandlerCalls;
  readonly missing: MissingHandlers;
  readonly ends: AttemptEnds;
  readonly failed: FailedAttempts;
  readonly failurePolicy: FailurePolicy;
  readonly clock: Clock;
}

/** The letter an aggregate is at, and the event in it with its attempts. */
interface Current {
  readonly position: number;
  readonly event: Delivery;
}

/** What follows an attempt at a letter. */
export type LetterEnd =
  | { readonly kind: 'handled' }
  /** It keeps its place, and is tried again. */
  | { readonly kind: 'again'; readonly delayMs: number }
  /** Its aggregate stays parked. */
  | { readonly kind: 'stays'; readonly note: ParkNote }
  /** Its aggregate continues without it. */
  | { readonly kind: 'skipped'; readonly note: ParkNote }
  | { readonly kind: 'halts'; readonly reason: string };

const HANDLED: LetterEnd = { kind: 'handled' };

const ENDINGS = {
  ...{ retry: 'retried', block: 'blocked', park: 'parked', skip: 'skipped', halt: 'halted' },
} as const satisfies Record<Outcome['kind'], AttemptOutcome>;

/**
 * Runs the events of letters through the handlers that would have had them. A retry by command ends at the first
 * failure. What was diverted is retried as its handler's policy says, because its events have not failed yet.
 */
export class LetterAttempts {
  /** Letters handled. */
  handled = 0;
  /** Attempts at letters that failed. */
  failed = 0;
  /** By aggregate. */
  readonly #current = new PassingMap<string, Current>();

  constructor(private readonly options: LetterAttemptsOptions) {}

  /** The letter an aggregate is at. */
  currentOf(token: string): Delivery | undefined {
    return this.#current.get(token)?.event;
  }

  /** The event of a letter. The attempts at it count on while it is the current one. */
  eventOf(token: string, letter: Letter): Delivery {
    const known = this.#current.get(token);
    if (known?.position === letter.position) return known.event;
    const event = letterEvent(this.options.topic, letter);
    this.#current.set(token, { position: letter.position, event });
    return event;
  }

  /** How long the event has to wait because only other replicas handle its type; undefined if it has not. */
  waitMsOf(event: Delivery): number | undefined {
    return this.options.missing.waitMsOf(event, this.options.calls);
  }

  /** The aggregate is done with its current letter. */
  delete(token: string): void {
    this.#current.delete(token);
  }

  forget(): void {
    this.#current.clear();
  }

  /** Calls the event's handler. Undefined if it is handled. */
  run(event: Delivery): PromiseLike<Failure | undefined> | Failure | undefined {
    const { calls, missing, clock, ends } = this.options;
    event.begin(clock.now());
    const undecodable = calls.decode(event);
    if (undecodable !== undefined) return undecodable;
    const handler = calls.find(event);
    if (handler === undefined) return missing.judge(event.envelope?.event_type ?? '');
    const refusal = handler.refusalOf?.(event);
    if (refusal !== undefined) return refusal;
    const isChosen = ends.begins(event);
    const ended = calls.start(event, handler);
    if (!endsLater(ended)) {
      ends.measure(event, ended, isChosen);
      return ended;
    }
    return ended.then((failure) => {
      calls.noteEnded(event);
      ends.measure(event, failure, isChosen);
      return failure;
    });
  }

  /** Counts the attempt, and decides what follows. `isRetry`: an operator has asked for it. */
  judge(event: Delivery, failure: Failure | undefined, isRetry: boolean): LetterEnd {
    const { ends, failed } = this.options;
    ends.count(event, failure);
    if (failure !== undefined) return this.#failed(event, failure, isRetry);
    this.handled++;
    failed.noteHandled(event, true);
    ends.decided(event, 'handled');
    return HANDLED;
  }

  /** The lease ended while the handler ran: the next owner finds the letter where it was. */
  lost(event: Delivery, failure: Failure | undefined): void {
    this.options.ends.decided(event, 'lost', failure);
  }

  #failed(event: Delivery, failure: Failure, isRetry: boolean): LetterEnd {
    const { calls, ends, failed, failurePolicy } = this.options;
    this.failed++;
    ends.noteFailed(event);
    const policy = calls.find(event)?.failurePolicy ?? failurePolicy;
    const outcome = isRetry
      ? ({ kind: 'park', reason: reasonOf(failure) } as const)
      : failed.decide(event, failure, policy);
    const noted = failed.note(event, failure, outcome, true);
    ends.decided(event, ENDINGS[outcome.kind], failure);
    switch (outcome.kind) {
      case 'retry':
      case 'block':
        return { kind: 'again', delayMs: outcome.delayMs };
      case 'halt':
        return { kind: 'halts', reason: `${noted.what}: ${noted.why}` };
      case 'park':
      case 'skip': {
        const isSkipped = outcome.kind === 'skip';
        const { reason } = outcome;
        const last = { event: isSkipped ? 'event-skipped' : 'aggregate-stays-parked', reason } as const;
        failed.tell(noted, last, isSkipped ? ' and is skipped' : '; its aggregate stays parked');
        const trace = event.trace?.traceparent;
        const note = { reason, error: noted.why, attempts: event.attempt, trace };
        return { kind: isSkipped ? 'skipped' : 'stays', note };
      }
    }
  }
}
