import { type Clock, every, type Timer } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import type { LogAt } from '../../log.js';
import { type Codec, decodeBody, jsonCodec } from '../../message/codec.js';
import type { Delivery } from '../../message/delivery.js';
import { checkEnvelope, readFields } from '../../message/envelope.js';
import { isSubjectOfAggregate } from '../../message/subject.js';
import { PassingMap } from '../../passing-map.js';
import {
  type BatchHandler,
  endsLater,
  type EventHandler,
  type EventHandlers,
  type HandlerRun,
} from './event-handlers.js';
import type { Failure } from './outcome.js';

/** Hears of handlers that do not settle. */
export interface StuckListener {
  /** A handler has not settled for twice its time. */
  stuck(event: Delivery, ageMs: number): void;
}

export interface HandlerCallsOptions {
  /** For log texts: topic, group and partition. */
  readonly name: string;
  readonly topic: string;
  readonly codec: Codec;
  readonly handlers: EventHandlers;
  readonly clock: Clock;
  readonly log: LogAt<'partition'>;
  readonly listener: StuckListener;
}

/** What fields of a log line say of an event and its attempts, so that an aggregate is found by name and age. */
export interface AttemptFields {
  readonly aggregate: string;
  readonly sequence: number;
  readonly type?: string;
  readonly attempt: number;
  /** When its first attempt in this process began, in ISO 8601. */
  readonly since: string;
  /** For how long, in milliseconds. */
  readonly ageMs: number;
}

const CHECK_TIMEOUTS_EVERY_MS = 100;

/** Decodes events, finds their handlers, calls them, and watches those that run. */
export class HandlerCalls {
  readonly #running = new PassingMap<Delivery, EventHandler>();
  /** The attempt whose handler has not returned yet. Most end there, and never get into the map. */
  #starting: Delivery | undefined;
  /** The events of a running call that has more than one, by the first. */
  readonly #batches = new PassingMap<Delivery, readonly Delivery[]>();
  /** Events whose handler has run for too long before: told once, not for each attempt. */
  readonly #overdue = new WeakSet<Delivery>();
  readonly #watch: Timer;

  constructor(private readonly options: HandlerCallsOptions) {
    this.#watch = every(options.clock, CHECK_TIMEOUTS_EVERY_MS, () => this.#abortOverdue());
  }

  /** The attempts that run now. */
  *running(): IterableIterator<Delivery> {
    if (this.#starting !== undefined) yield this.#starting;
    yield* this.#running.keys();
  }

  /** Decodes the event into its envelope, once. Returns why that is impossible, if it is. */
  decode(event: Delivery): Failure | undefined {
    if (event.envelope !== undefined) return undefined;
    const { origin } = event;
    const { subject, body } = origin;
    if (!isSubjectOfAggregate(subject, this.options.topic, event.token)) return foreign(subject);
    try {
      const { codec } = this.options;
      const decoded = decodeBody(codec, body, () => origin.readHeaders());
      event.envelope = checkEnvelope(codec === jsonCodec ? decoded : readFields(decoded), event.aggregateId);
      return undefined;
    } catch (error) {
      return { stage: 'decode', error, unrecoverable: true };
    }
  }

  /** The handler of a decoded event, if there is one. */
  find(event: Delivery): EventHandler | undefined {
    return event.envelope && this.options.handlers.find(event.envelope.event_type);
  }

  /** Calls the handler, and watches it until it has settled. */
  start(event: Delivery, handler: EventHandler): HandlerRun {
    this.#starting = event;
    const ended = handler.handle(event);
    this.#starting = undefined;
    if (endsLater(ended)) this.#running.set(event, handler);
    return ended;
  }

  /** The same for several events of one lane. The first stands for all. */
  startAll(
    events: readonly [Delivery, ...Delivery[]],
    handler: EventHandler,
    batches: BatchHandler,
  ): HandlerRun {
    const [first] = events;
    this.#batches.set(first, events);
    this.#starting = first;
    const ended = batches.handleAll(events);
    this.#starting = undefined;
    if (endsLater(ended)) this.#running.set(first, handler);
    else this.#batches.delete(first);
    return ended;
  }

  /** Notes that a handler which settled in a later tick has ended. */
  noteEnded(event: Delivery): void {
    this.#running.delete(event);
    this.#batches.delete(event);
  }

  /** Tells every running attempt to give up. */
  abortAll(reason: unknown): void {
    for (const event of this.running()) this.#abort(event, reason);
  }

  #abort(event: Delivery, reason: unknown): void {
    for (const each of this.#batches.get(event) ?? [event]) each.abort(reason);
  }

  close(): void {
    this.#watch.cancel();
  }

  nameOf(event: Delivery): string {
    const type = event.envelope?.event_type ?? 'event';
    return `${this.options.name}: ${type} of aggregate "${event.aggregateId}" (sequence ${event.sequence})`;
  }

  /** What fields of a log line say of an event and its attempts. */
  fieldsOf(event: Delivery): AttemptFields {
    return attemptFields(event, this.options.clock);
  }

  #abortOverdue(): void {
    const { clock, log, listener } = this.options;
    const now = clock.now();
    for (const [event, handler] of this.#running) {
      const age = now - event.startedAt;
      if (age < handler.timeoutMs) continue;
      if (!event.aborted) {
        this.#abort(
          event,
          new AggregateTransportError(
            'HANDLER_TIMED_OUT',
            `expected the handler to end within ${handler.timeoutMs} ms; its lane stays closed until it settles`,
          ),
        );
        if (this.#overdue.has(event)) continue;
        this.#overdue.add(event);
        log.write(
          'handler-slow',
          { ...this.fieldsOf(event), runsMs: Math.round(age), limitMs: handler.timeoutMs },
          `${this.nameOf(event)} runs longer than ${handler.timeoutMs} ms; its signal is aborted`,
        );
      } else if (age >= 2 * handler.timeoutMs && !event.reportedStuck) {
        event.reportedStuck = true;
        log.write(
          'handler-stuck',
          {
            ...this.fieldsOf(event),
            runsMs: Math.round(age),
            limitMs: handler.timeoutMs,
            errorCode: 'HANDLER_TIMED_OUT',
          },
          `${this.nameOf(event)} is stuck: its handler has not settled for ${Math.round(age)} ms; ` +
            'its aggregate waits, others continue',
        );
        listener.stuck(event, age);
      }
    }
  }
}

export function attemptFields(event: Delivery, clock: Pick<Clock, 'now' | 'wallNow'>): AttemptFields {
  const ageMs = Math.max(0, Math.round(clock.now() - event.firstStartedAt));
  const type = event.envelope?.event_type;
  return {
    ...{ aggregate: event.aggregateId, sequence: event.sequence, attempt: event.attempt, ageMs },
    ...(type === undefined ? {} : { type }),
    since: new Date(clock.wallNow() - ageMs).toISOString(),
  };
}

function foreign(subject: string): Failure {
  const error = new AggregateTransportError(
    'ENVELOPE_INVALID',
    `expected a subject of the form that subjectOf(topic, tokenOf(aggregateId)) gives, found "${subject}"; ` +
      'publish through AggregatePublisher, or as docs/wire-format.md says',
  );
  return { stage: 'decode', error, unrecoverable: true, isNobodys: true };
}
