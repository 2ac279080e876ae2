import { type Clock, every, type Timer } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import type { Log } from '../../log.js';
import { type Codec, decodeBody } from '../../message/codec.js';
import type { Delivery } from '../../message/delivery.js';
import { checkEnvelope } from '../../message/envelope.js';
import { isSubjectOfAggregate } from '../../message/subject.js';
import type { Failure } from './outcome.js';
import { endsLater, type EventHandler, type EventHandlers, type OnUnhandledType } from './event-handlers.js';

export interface HandlerRunsOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly topic: string;
  readonly codec: Codec;
  readonly handlers: EventHandlers;
  readonly onUnhandledType: OnUnhandledType;
  readonly clock: Clock;
  readonly log: Log;
  /** A handler has not settled for twice its time. */
  readonly stuck: (event: Delivery, ageMs: number) => void;
}

const LOOK_FOR_TIMEOUTS_EVERY_MS = 100;
const MAX_LOGGED_TYPES = 1_000;

/** Finds the handler of an event, and watches the handlers that run. */
export class HandlerRuns {
  /** Events passed over because their type has no handler. */
  unhandledTypes = 0;
  readonly #running = new Map<Delivery, EventHandler>();
  /** The attempt whose handler has not returned yet. Most end there, and never get into the map. */
  #starting: Delivery | undefined;
  readonly #ignoredTypes = new Set<string>();
  readonly #watch: Timer;

  constructor(private readonly options: HandlerRunsOptions) {
    this.#watch = every(options.clock, LOOK_FOR_TIMEOUTS_EVERY_MS, () => this.#abortOverdue());
  }

  /** The attempts that run now. */
  *running(): IterableIterator<Delivery> {
    if (this.#starting !== undefined) yield this.#starting;
    yield* this.#running.keys();
  }

  /** Calls the handler, and watches it until it has settled. */
  start(event: Delivery, handler: EventHandler): ReturnType<EventHandler['handle']> {
    this.#starting = event;
    const ended = handler.handle(event);
    this.#starting = undefined;
    if (endsLater(ended)) this.#running.set(event, handler);
    return ended;
  }

  /** A handler that settled in a later tick has ended. */
  ended(event: Delivery): void {
    this.#running.delete(event);
  }

  /** Tells every running attempt to give up. */
  abortAll(reason: unknown): void {
    for (const event of this.running()) event.abort(reason);
  }

  close(): void {
    this.#watch.cancel();
  }

  /** The handler of an event, undefined if it is to be passed over, or why there can be none. */
  handlerOf(event: Delivery): EventHandler | Failure | undefined {
    const { subject } = event.origin;
    if (!isSubjectOfAggregate(subject, this.options.topic, event.token)) return foreign(subject);
    try {
      event.envelope ??= checkEnvelope(decodeBody(this.options.codec, event.origin.body), event.aggregateId);
    } catch (error) {
      return { stage: 'decode', error, unrecoverable: true };
    }
    const type = event.envelope.event_type;
    const handler = this.options.handlers.find(type);
    if (handler !== undefined) return handler;
    this.unhandledTypes++;
    if (this.options.onUnhandledType === 'ignore') {
      this.#logIgnored(type);
      return undefined;
    }
    const error = new AggregateTransportError(
      'HANDLER_MISSING',
      `expected a handler for event type "${type}" on ${this.options.name}, found none; ` +
        'add one, or set consume.onUnhandledType to "ignore"',
    );
    return { stage: 'route', error, unrecoverable: true };
  }

  nameOf(event: Delivery): string {
    const type = event.envelope?.event_type ?? 'event';
    return `${this.options.name}: ${type} of aggregate "${event.aggregateId}" (sequence ${event.sequence})`;
  }

  #abortOverdue(): void {
    const { clock, log, stuck } = this.options;
    const now = clock.now();
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
        log.warn(`${this.nameOf(event)} runs longer than ${handler.timeoutMs} ms; its signal is aborted`);
      } else if (age >= 2 * handler.timeoutMs && !event.reportedStuck) {
        event.reportedStuck = true;
        log.error(
          `${this.nameOf(event)} is stuck: its handler has not settled for ${Math.round(age)} ms; ` +
            'its aggregate waits, others go on',
        );
        stuck(event, age);
      }
    }
  }

  #logIgnored(type: string): void {
    if (this.#ignoredTypes.has(type) || this.#ignoredTypes.size >= MAX_LOGGED_TYPES) return;
    this.#ignoredTypes.add(type);
    this.options.log.warn(
      `${this.options.name}: events of type "${type}" have no handler and are passed over (said once per type)`,
    );
  }
}

function foreign(subject: string): Failure {
  const error = new AggregateTransportError(
    'ENVELOPE_INVALID',
    `expected a subject of the form that subjectOf(topic, tokenOf(aggregateId)) gives, found "${subject}"; ` +
      'publish through AggregatePublisher, or as docs/wire-format.md says',
  );
  return { stage: 'decode', error, unrecoverable: true, isNobodys: true };
}
