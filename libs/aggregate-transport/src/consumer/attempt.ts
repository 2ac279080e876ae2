import { isSabotaged } from '#sabotage';
import { type Clock, every, type Timer } from '../clock.js';
import { AggregateTransportError, describeError } from '../errors.js';
import { CLOSE, NEXT, type Step } from '../executor/keyed-executor.js';
import type { Log } from '../log.js';
import { type Codec, decodeBody } from '../message/codec.js';
import type { Delivery } from '../message/delivery.js';
import { checkEnvelope } from '../message/envelope.js';
import { decideOutcome, type Failure, type FailurePolicy } from '../settlement/outcome.js';
import type { Suspects } from './suspects.js';
import type { EventHandler, EventHandlers, OnUnhandledType } from './event-handlers.js';

export interface AttemptOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly codec: Codec;
  readonly handlers: EventHandlers;
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
  retried: number;
  blocked: number;
  unhandledType: number;
  /** Events that are not started any more because each start ended their process. */
  crashed: number;
}

const NOTE_AGAIN_MS = 200;
const LOOK_FOR_TIMEOUTS_EVERY_MS = 100;

/**
 * Runs the head of a lane: decode, handler, outcome. A failed event keeps its place at the head and runs
 * again there after its backoff. Handing it back to the server instead (nak) would let the events behind
 * it overtake, since those are in this process already.
 */
export class Attempts {
  readonly counts: AttemptCounts = { handled: 0, retried: 0, blocked: 0, unhandledType: 0, crashed: 0 };
  readonly #running = new Map<Delivery, EventHandler>();
  readonly #ignoredTypes = new Set<string>();
  readonly #watch: Timer;

  constructor(private readonly options: AttemptOptions) {
    this.#watch = every(options.clock, LOOK_FOR_TIMEOUTS_EVERY_MS, () => this.#abortOverdue());
  }

  /** The attempts that run now. */
  running(): IterableIterator<Delivery> {
    return this.#running.keys();
  }

  /** One attempt at the head of a lane. Never throws, never rejects. */
  run(event: Delivery): Step | PromiseLike<Step> {
    if (!this.options.mayStart()) return CLOSE;
    return this.options.suspects.isSuspect(event.sequence) ? this.#runSuspect(event) : this.#attempt(event);
  }

  /** As {@link run}, for an event that may have killed the partition's last owner. */
  async #runSuspect(event: Delivery): Promise<Step> {
    const { suspects, isCurrent, log, attempted } = this.options;
    if (suspects.isExhausted(event.sequence)) {
      this.counts.crashed++;
      log.error(
        `${this.#nameOf(event)} was started ${suspects.startsOf(event.sequence)} times and each time its process ended; ` +
          'it is not started again, and its aggregate is blocked',
      );
      attempted(event, false);
      return CLOSE;
    }
    const noted = await suspects.noteStart(event.sequence);
    // The lease may have gone meanwhile; then the event is in a lane that knows nothing of it any more.
    if (!isCurrent(event)) return NEXT;
    if (!noted) return NOTE_AGAIN_MS;
    const step = await this.#attempt(event);
    suspects.ended(event.sequence);
    return step;
  }

  #attempt(event: Delivery): Step | PromiseLike<Step> {
    event.begin(this.options.clock.now());
    const handler = this.#handlerOf(event);
    if (handler === undefined) {
      this.options.handled(event);
      return NEXT;
    }
    if ('stage' in handler) {
      this.options.attempted(event, false);
      return this.#failed(event, handler, this.options.failurePolicy);
    }
    this.#running.set(event, handler);
    const ended = handler.handle(event);
    if (typeof ended !== 'object' || !('then' in ended)) return this.#ended(event, handler, ended);
    return ended.then((failure) => this.#ended(event, handler, failure));
  }

  /** Tells every running attempt to give up. */
  abortAll(reason: unknown): void {
    for (const event of this.#running.keys()) event.abort(reason);
  }

  close(): void {
    this.#watch.cancel();
  }

  /** The handler of an event, undefined if it is to be passed over, or why there can be none. */
  #handlerOf(event: Delivery): EventHandler | Failure | undefined {
    try {
      event.envelope ??= checkEnvelope(decodeBody(this.options.codec, event.origin.body), event.aggregateId);
    } catch (error) {
      return { stage: 'decode', error, unrecoverable: true };
    }
    const type = event.envelope.event_type;
    const handler = this.options.handlers.find(type);
    if (handler !== undefined) return handler;
    this.counts.unhandledType++;
    if (this.options.onUnhandledType === 'ignore') {
      this.#logIgnored(type);
      return undefined;
    }
    const error = new AggregateTransportError(
      'HANDLER_MISSING',
      `expected a handler for event type "${type}" on ${this.options.name}, found none; ` +
        'add one, or set consume.onUnhandledType to "ignore"',
    );
    return { stage: 'handler', error, unrecoverable: true };
  }

  #ended(event: Delivery, handler: EventHandler, failure: Failure | undefined): Step {
    this.#running.delete(event);
    if (!this.options.isCurrent(event)) return NEXT;
    const step =
      failure === undefined ? this.#done(event) : this.#failed(event, failure, handler.failurePolicy);
    this.options.attempted(event, step === NEXT);
    return step;
  }

  #done(event: Delivery): Step {
    this.counts.handled++;
    if (event.attempt > 1) {
      this.options.log.info(`${this.#nameOf(event)} handled in attempt ${event.attempt}`);
    }
    this.options.handled(event);
    return NEXT;
  }

  #failed(event: Delivery, failure: Failure, policy: FailurePolicy): Step {
    const outcome = decideOutcome(failure, event.attempt, policy, this.options.random());
    const what = `${this.#nameOf(event)} failed in its ${failure.stage} (attempt ${event.attempt})`;
    const why = describeError(failure.error);
    switch (outcome.kind) {
      case 'retry':
        this.counts.retried++;
        if (isSabotaged('retry-by-nak')) {
          this.options.handBack(event);
          return NEXT;
        }
        this.options.log.warn(`${what}, again in ${outcome.delayMs} ms: ${why}`);
        return outcome.delayMs;
      case 'block':
        this.counts.blocked++;
        this.options.log.error(
          `${what}; its aggregate is blocked and tried again every ${outcome.delayMs} ms: ${why}` +
            hintFor(failure),
          failure.error,
        );
        return outcome.delayMs;
      case 'halt':
        this.options.log.error(`${what}: ${why}`, failure.error);
        this.options.halt(`${what}: ${why}`);
        return CLOSE;
    }
  }

  #abortOverdue(): void {
    const now = this.options.clock.now();
    for (const [event, handler] of this.#running) {
      const age = now - event.startedAt;
      if (age < handler.timeoutMs) continue;
      if (!event.aborted) {
        event.abort(
          new AggregateTransportError(
            'HANDLER_TIMED_OUT',
            `expected the handler to end within ${handler.timeoutMs} ms; its lane stays closed until it settles`,
          ),
        );
        this.options.log.warn(
          `${this.#nameOf(event)} runs longer than ${handler.timeoutMs} ms; its signal is aborted`,
        );
      } else if (age >= 2 * handler.timeoutMs && !event.reportedStuck) {
        event.reportedStuck = true;
        this.options.log.error(
          `${this.#nameOf(event)} is stuck: its handler has not settled for ${Math.round(age)} ms; ` +
            'its aggregate waits, others go on',
        );
      }
    }
  }

  #nameOf(event: Delivery): string {
    const type = event.envelope?.event_type ?? 'event';
    return `${this.options.name}: ${type} of aggregate "${event.aggregateId}" (sequence ${event.sequence})`;
  }

  #logIgnored(type: string): void {
    if (this.#ignoredTypes.has(type) || this.#ignoredTypes.size >= MAX_LOGGED_TYPES) return;
    this.#ignoredTypes.add(type);
    this.options.log.warn(
      `${this.options.name}: events of type "${type}" have no handler and are passed over (said once per type)`,
    );
  }
}

const MAX_LOGGED_TYPES = 1_000;

function hintFor(failure: Failure): string {
  return failure.stage === 'guard'
    ? "; if the guard is meant for HTTP only, let it pass when context.getType() === 'rpc'"
    : '';
}
