import { isSabotaged } from '#sabotage';
import type { Clock } from '../../clock.js';
import { describeError } from '../../errors.js';
import { CLOSE, NEXT, type Step } from '../../executor/keyed-executor.js';
import type { Log } from '../../log.js';
import type { Delivery } from '../../message/delivery.js';
import { decideOutcome, type Failure, type FailurePolicy, type FailureStage } from './outcome.js';
import type { Breaker } from './breaker.js';
import { endsLater, type EventHandler, type OnUnhandledType, policyOf } from './event-handlers.js';
import type { HandlerRuns } from './handler-calls.js';
import type { ParkedLanes } from './letter-lanes.js';
import type { PartitionObserver } from '../partition-options.js';
import type { Suspects } from './suspects.js';

export interface AttemptOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly runs: HandlerRuns;
  readonly parkedLanes: Pick<ParkedLanes, 'unfinished' | 'park' | 'skip' | 'isHeadOfDetour' | 'settleHead'>;
  readonly breaker: Pick<Breaker, 'attempted'>;
  readonly onUnhandledType: OnUnhandledType;
  /** For an event that reaches no handler: it cannot be decoded, or its type has none and must not be ignored. */
  readonly failurePolicy: FailurePolicy;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** False once the partition may belong to somebody else: no attempt starts then. */
  readonly mayStart: () => boolean;
  /** False if the event was taken in under a lease that has ended: how it ends counts for nothing. */
  readonly isCurrent: (event: Delivery) => boolean;
  readonly suspects: Suspects;
  readonly observer: Pick<PartitionObserver, 'attemptEnded'>;
  readonly handled: (event: Delivery) => void;
  /** An attempt has ended, however it did; `goesOn` if its lane goes on with the next event. */
  readonly attempted: (event: Delivery, goesOn: boolean) => void;
  readonly halt: (reason: string) => void;
  /** Gives the event back to the server; nothing but a sabotaged build does that. */
  readonly handBack: (event: Delivery) => void;
}

/** Counters of attempts since the start of the process. */
export interface AttemptCounts {
  handled: number;
  /** Attempts that failed, by stage. */
  readonly failedIn: Record<FailureStage, number>;
  /** Events passed over because their type has no handler. */
  ignored: number;
  retried: number;
  blocked: number;
  /** Aggregates parked. */
  parked: number;
  skipped: number;
  /** Events that are not started any more because each start ended their process. */
  crashed: number;
}

const NOTE_AGAIN_MS = 200;

/**
 * Runs the head of a lane: decode, handler, outcome. A failed event keeps its place at the head and runs
 * again there after its backoff. Handing it back to the server instead (nak) would let the events behind
 * it overtake, since those are in this process already.
 */
export class Attempts {
  readonly counts: AttemptCounts = {
    handled: 0,
    failedIn: { decode: 0, route: 0, guard: 0, interceptor: 0, pipe: 0, handler: 0, crash: 0 },
    ignored: 0,
    retried: 0,
    blocked: 0,
    parked: 0,
    skipped: 0,
    crashed: 0,
  };
  /** For an event that no handler is for. */
  readonly #routePolicy: FailurePolicy;
  /** For an event under a subject that no aggregate has. */
  readonly #nobodysPolicy: FailurePolicy;

  constructor(private readonly options: AttemptOptions) {
    const onExhausted = options.onUnhandledType === 'block' ? 'block' : 'park';
    this.#routePolicy = { ...options.failurePolicy, onExhausted, classify: undefined };
    this.#nobodysPolicy = { ...options.failurePolicy, onExhausted: 'skip', classify: undefined };
  }

  /** One attempt at the head of a lane. Never throws, never rejects. */
  run(event: Delivery): Step | PromiseLike<Step> {
    const { mayStart, suspects, parkedLanes } = this.options;
    if (!mayStart()) return CLOSE;
    if (isSabotaged('delivery-count-decides') && event.origin.deliveryCount > TOO_OFTEN) return CLOSE;
    const unfinished = parkedLanes.unfinished(event);
    if (unfinished !== undefined) return unfinished;
    return suspects.isSuspect(event.sequence) ? this.#runSuspect(event) : this.#attempt(event);
  }

  /** As {@link run}, for an event that may have killed the partition's last owner. */
  async #runSuspect(event: Delivery): Promise<Step> {
    const { suspects, isCurrent } = this.options;
    if (suspects.isExhausted(event.sequence)) return this.#crashed(event);
    const noted = await suspects.noteStart(event.sequence);
    // The lease may have gone meanwhile; then the event is in a lane that knows nothing of it any more.
    if (!isCurrent(event)) return NEXT;
    if (!noted) return NOTE_AGAIN_MS;
    const step = await this.#attempt(event);
    suspects.ended(event.sequence);
    return step;
  }

  async #crashed(event: Delivery): Promise<Step> {
    const { suspects, runs, attempted } = this.options;
    const policy = policyOf(runs.handlerOf(event), this.options.failurePolicy);
    const starts = suspects.startsOf(event.sequence);
    if (event.attempt === 0) {
      event.attempt = 1;
      event.startedAt = this.options.clock.now();
      this.counts.crashed++;
    }
    const error = new Error(
      `it was started ${starts} times and each time its process ended; it is not started again`,
    );
    const step = await this.#failed(event, { stage: 'crash', error, unrecoverable: true }, policy);
    attempted(event, step === NEXT);
    // Blocked means: not started again, here or by a successor.
    if (policy.onExhausted === 'block') return CLOSE;
    if (step === NEXT) suspects.ended(event.sequence);
    return step;
  }

  #attempt(event: Delivery): Step | PromiseLike<Step> {
    event.begin(this.options.clock.now());
    const handler = this.options.runs.handlerOf(event);
    if (handler === undefined) {
      this.counts.ignored++;
      this.options.handled(event);
      return NEXT;
    }
    if ('stage' in handler) {
      const step = this.#failed(event, handler, this.#policyWithoutHandler(handler));
      this.options.attempted(event, false);
      return step;
    }
    const ended = this.options.runs.start(event, handler);
    if (!endsLater(ended)) return this.#ended(event, handler, ended);
    return ended.then((failure) => {
      this.options.runs.ended(event);
      return this.#ended(event, handler, failure);
    });
  }

  #policyWithoutHandler({ stage, isNobodys }: Failure): FailurePolicy {
    if (isNobodys === true) return this.#nobodysPolicy;
    return stage === 'route' ? this.#routePolicy : this.options.failurePolicy;
  }

  #ended(event: Delivery, handler: EventHandler, failure: Failure | undefined): Step | Promise<Step> {
    const { attemptEnded } = this.options.observer;
    if (attemptEnded !== undefined) attemptEnded(this.options.clock.now() - event.startedAt, failure?.stage);
    if (!this.options.isCurrent(event)) return NEXT;
    this.options.breaker.attempted(failure !== undefined, event.startedAt);
    const step =
      failure === undefined ? this.#done(event) : this.#failed(event, failure, handler.failurePolicy);
    this.options.attempted(event, step === NEXT);
    return step;
  }

  #done(event: Delivery): Step | Promise<Step> {
    const { runs, log, parkedLanes, handled } = this.options;
    this.counts.handled++;
    if (event.attempt > 1) log.info(`${runs.nameOf(event)} handled in attempt ${event.attempt}`);
    if (parkedLanes.isHeadOfDetour(event)) return parkedLanes.settleHead(event);
    handled(event);
    return NEXT;
  }

  #failed(event: Delivery, failure: Failure, policy: FailurePolicy): Step | Promise<Step> {
    const { runs, log, parkedLanes } = this.options;
    const about = { attempt: event.attempt, type: event.envelope?.event_type };
    const outcome = decideOutcome(failure, about, policy, this.options.random());
    const what = `${runs.nameOf(event)} failed in its ${failure.stage} (attempt ${event.attempt})`;
    const why = describeError(failure.error);
    this.counts.failedIn[failure.stage]++;
    event.failed({ stage: failure.stage, outcome: outcome.kind, error: why });
    switch (outcome.kind) {
      case 'retry':
        this.counts.retried++;
        if (isSabotaged('retry-by-nak')) {
          this.options.handBack(event);
          return NEXT;
        }
        log.warn(`${what}, again in ${outcome.delayMs} ms: ${why}`);
        return outcome.delayMs;
      case 'block':
        this.counts.blocked++;
        log.error(
          `${what}; its aggregate is blocked and tried again every ${outcome.delayMs} ms: ${why}` +
            hintFor(failure),
          failure.error,
        );
        return outcome.delayMs;
      case 'park':
      case 'skip': {
        const note = { reason: outcome.reason, error: why, attempts: event.attempt };
        const step = parkedLanes[outcome.kind](event, note);
        // The breaker kept it in its lane.
        if (typeof step === 'number') return step;
        this.counts[outcome.kind === 'park' ? 'parked' : 'skipped']++;
        log.error(`${what}; ${thenOf(outcome.kind, failure)} (${outcome.reason}): ${why}`, failure.error);
        return step;
      }
      case 'halt':
        log.error(`${what}: ${why}`, failure.error);
        this.options.halt(`${what}: ${why}`);
        return CLOSE;
    }
  }
}

/** For sabotage only. */
const TOO_OFTEN = 2;

function thenOf(kind: 'park' | 'skip', { isNobodys }: Failure): string {
  if (kind === 'park') return 'its aggregate is parked';
  return isNobodys === true
    ? 'no aggregate has its subject, so it is passed over and kept among the skipped'
    : 'it is skipped: a hole in the order';
}

function hintFor(failure: Failure): string {
  return failure.stage === 'guard'
    ? "; if the guard is meant for HTTP only, let it pass when context.getType() === 'rpc'"
    : '';
}
