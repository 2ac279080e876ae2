import type { Clock } from '../../clock.js';
import { CLOSE, NEXT, type Step } from '../../executor/keyed-executor.js';
import type { Delivery } from '../../message/delivery.js';
import type { SuspectHandling, SuspectRuns } from '../suspects/suspect-runs.js';
import type { AttemptCounts } from './attempt-counts.js';
import type { AttemptEnds } from './attempt-ends.js';
import { BatchAttempts } from './batch-attempts.js';
import { endsLater, type EventHandler, type OnUnhandledType } from './event-handlers.js';
import type { FailedAttempts } from './failed-attempts.js';
import type { HandlerCalls } from './handler-calls.js';
import type { HeadDetour } from './head-detour.js';
import type { LaneEntry } from './lane-entry.js';
import type { LaneListener } from './lane-listener.js';
import type { MissingHandlers } from './missing-handlers.js';
import type { Failure, FailurePolicy } from './outcome.js';

export interface AttemptOptions {
  readonly calls: HandlerCalls;
  readonly missing: MissingHandlers;
  readonly letterLanes: HeadDetour;
  readonly ends: AttemptEnds;
  readonly policies: AttemptPolicies;
  readonly clock: Clock;
  readonly failed: FailedAttempts;
  readonly listener: LaneListener;
}

/** What follows a failure that no handler's own policy is for. */
export class AttemptPolicies {
  /** For an event that no handler is for. */
  readonly route: FailurePolicy;
  /** For an event under a subject that no aggregate has. */
  readonly foreign: FailurePolicy;

  constructor(
    readonly topic: FailurePolicy,
    onUnhandledType: OnUnhandledType,
  ) {
    this.route = {
      ...topic,
      onExhausted: onUnhandledType === 'block' ? 'block' : 'park',
      classify: undefined,
    };
    this.foreign = { ...topic, onExhausted: 'skip', classify: undefined };
  }

  of({ stage, isNobodys }: Failure): FailurePolicy {
    if (isNobodys === true) return this.foreign;
    return stage === 'route' ? this.route : this.topic;
  }
}

/**
 * Runs the head of a lane: decode, handler, outcome. A failed event keeps its place at the head and runs again there
 * after its backoff, so no later event of its aggregate overtakes it.
 */
export class Attempts implements SuspectHandling {
  readonly counts: AttemptCounts = {
    handled: 0,
    failedIn: { decode: 0, route: 0, shape: 0, guard: 0, interceptor: 0, pipe: 0, handler: 0, crash: 0 },
    ignored: 0,
    retried: 0,
    blocked: 0,
    parked: 0,
    skipped: 0,
    crashed: 0,
  };
  #suspectRuns: SuspectRuns | undefined;
  readonly #batches: BatchAttempts;

  constructor(private readonly options: AttemptOptions) {
    this.#batches = new BatchAttempts({ ...options, counts: this.counts }, this);
  }

  /** Asks these about events that may have killed an earlier owner. Called once, before the first run. */
  attach(suspectRuns: SuspectRuns): void {
    this.#suspectRuns = suspectRuns;
  }

  /** How many events of its lane the next run of this head takes; see {@link BatchAttempts}. */
  spanOf(head: LaneEntry): number {
    return this.#batches.spanOf(head);
  }

  /** True if this event may have killed an earlier owner. */
  isSuspect(event: Delivery): boolean {
    return this.#suspectRuns?.isSuspect(event) === true;
  }

  /** One attempt at the head of a lane, together with the events behind it if `span` says so. Never throws or rejects. */
  run(event: Delivery, span = 1): Step | PromiseLike<Step> {
    const { listener, letterLanes, calls, missing } = this.options;
    if (!listener.mayStart()) return CLOSE;
    const unfinished = letterLanes.unfinished(event);
    if (unfinished !== undefined) return unfinished;
    if (this.#suspectRuns?.isSuspect(event) === true)
      return missing.waitMsOf(event, calls) ?? this.#suspectRuns.run(event);
    if (span > 1) return this.#batches.run(event, span) ?? this.attempt(event);
    return this.attempt(event);
  }

  /** Calls the event's handler, if it has one, and decides what follows. */
  attempt(event: Delivery): Step | PromiseLike<Step> {
    const { calls, clock, missing } = this.options;
    const failure = calls.decode(event);
    const handler = calls.find(event);
    const waitMs =
      failure === undefined && handler === undefined ? missing.waitMsOf(event, calls) : undefined;
    if (waitMs !== undefined) return waitMs;
    event.begin(clock.now());
    if (failure !== undefined) return this.fail(event, failure, this.options.policies.of(failure));
    if (handler === undefined) return this.#unhandled(event);
    const refusal = handler.refusalOf?.(event);
    // No attempt for those who judge by attempts: the handler has no part in it.
    if (refusal !== undefined) return this.fail(event, refusal, handler.failurePolicy);
    const isChosen = this.options.ends.begins(event);
    const ended = calls.start(event, handler);
    if (!endsLater(ended)) {
      this.options.ends.measure(event, ended, isChosen);
      return this.#ended(event, handler, ended);
    }
    return ended.then((failed) => {
      calls.noteEnded(event);
      this.options.ends.measure(event, failed, isChosen);
      return this.#ended(event, handler, failed);
    });
  }

  /** An attempt has failed, or none can be made. */
  fail(event: Delivery, failure: Failure, policy: FailurePolicy): Step | Promise<Step> {
    const { ends, failed, letterLanes, listener } = this.options;
    ends.noteFailed(event);
    const outcome = failed.decide(event, failure, policy);
    this.counts.failedIn[failure.stage]++;
    const noted = failed.note(event, failure, outcome);
    switch (outcome.kind) {
      case 'retry':
        this.counts.retried++;
        ends.decided(event, 'retried', failure);
        return outcome.delayMs;
      case 'block':
        this.counts.blocked++;
        ends.decided(event, 'blocked', failure);
        return outcome.delayMs;
      case 'park':
      case 'skip': {
        const trace = event.trace?.traceparent;
        const note = { reason: outcome.reason, error: noted.why, attempts: event.attempt, trace };
        const step = letterLanes[outcome.kind](event, note);
        if (typeof step === 'number') {
          failed.noteKept(event, noted);
          ends.decided(event, 'kept', failure);
          return step;
        }
        const ending = outcome.kind === 'park' ? 'parked' : 'skipped';
        this.counts[ending]++;
        ends.decided(event, ending, failure);
        const told = outcome.kind === 'park' ? 'aggregate-parked' : 'event-skipped';
        const { reason } = outcome;
        failed.tell(noted, { event: told, reason }, `; ${thenOf(outcome.kind, failure)} (${reason})`);
        return step;
      }
      case 'halt':
        failed.tell(noted, { event: 'event-halts' }, '');
        ends.decided(event, 'halted', failure);
        listener.halt(`${noted.what}: ${noted.why}`);
        return CLOSE;
    }
  }

  attemptsAllowed(event: Delivery): number {
    return this.#policyOf(event).retry.attempts;
  }

  giveUp(event: Delivery, starts: number): Step | Promise<Step> {
    if (event.attempt === 0) {
      event.begin(this.options.clock.now());
      this.counts.crashed++;
    }
    const error = new Error(
      `it was started ${starts} times and each time its process ended; it is not started again`,
    );
    const policy = this.#policyOf(event);
    const step = this.fail(event, { stage: 'crash', error, unrecoverable: true }, policy);
    // Blocked means: not started again, here or by a successor.
    return policy.onExhausted === 'block' ? CLOSE : step;
  }

  /** The policy of the event's handler; the topic's, if it has none. */
  #policyOf(event: Delivery): FailurePolicy {
    const { calls, policies } = this.options;
    const failure = calls.decode(event);
    return (failure === undefined ? calls.find(event)?.failurePolicy : undefined) ?? policies.topic;
  }

  #unhandled(event: Delivery): Step | Promise<Step> {
    const { missing, listener, policies } = this.options;
    const failure = missing.judge(event.envelope?.event_type ?? '');
    if (failure !== undefined) return this.fail(event, failure, policies.of(failure));
    this.counts.ignored++;
    listener.settled(event);
    return NEXT;
  }

  #ended(event: Delivery, handler: EventHandler, failure: Failure | undefined): Step | Promise<Step> {
    const { ends, listener } = this.options;
    if (!listener.isCurrent(event)) {
      ends.decided(event, 'lost', failure);
      return NEXT;
    }
    ends.count(event, failure);
    return failure === undefined ? this.#done(event) : this.fail(event, failure, handler.failurePolicy);
  }

  #done(event: Delivery): Step | Promise<Step> {
    const { ends, failed, letterLanes, listener } = this.options;
    this.counts.handled++;
    failed.noteHandled(event);
    ends.decided(event, 'handled');
    if (letterLanes.isHeadOfDetour(event)) return letterLanes.settleHead(event);
    listener.settled(event);
    return NEXT;
  }
}

function thenOf(kind: 'park' | 'skip', { isNobodys }: Failure): string {
  if (kind === 'park') return 'its aggregate is parked';
  return isNobodys === true
    ? 'no aggregate has its subject, so it is passed over and kept among the skipped'
    : 'it is skipped: a hole in the order';
}
