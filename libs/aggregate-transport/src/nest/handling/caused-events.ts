import { AggregateTransportError } from '../../errors.js';
import { requireEvent } from '../../message/envelope.js';
import type { AggregateEvent, PublishReceipt } from '../../message/event.js';
import { causedEventId } from '../../message/event-id.js';
import { type CallOptionRules, checkCallOptions } from '../../message/outgoing/call-options.js';
import { tokenOf } from '../../message/subject.js';

/** A publisher, as a handler publishes through it: `AggregatePublisher` of any topic. */
export interface EventTarget {
  /** The topic that it publishes to. */
  readonly topic: string;
  /** Stores one event; see `AggregatePublisher.publish`. */
  publish(event: never, options?: { signal?: AbortSignal }): Promise<PublishReceipt>;
  /** @internal The receipt of an event of the aggregate's history; undefined if the stream does not hold it. */
  findStored(aggregateId: string, eventId: string, options: FindOptions): Promise<PublishReceipt | undefined>;
}

/** @internal */
export interface FindOptions {
  /** The first sequence at which it can lie. */
  readonly fromSequence: number;
  readonly signal: AbortSignal;
}

/** What a handler may publish through a publisher. Its id is made from the event that is handled. */
export type CausedEvent<P extends EventTarget> = Parameters<P['publish']>[0] & { eventId?: never };

/** How an event that a handler publishes gets its id. */
export interface CausedEventOptions {
  /**
   * Tells this event from others that the same handling publishes to the same aggregate.
   * @default the number of the call, per topic and aggregate; give a key where the order of the calls may differ
   */
  key?: string;
  /** Store it once more in every run of the group: after a reset, too. @default false */
  again?: boolean;
}

/** The event that is handled. */
export interface Cause {
  readonly group: string;
  readonly topic: string;
  /** When the stream was made that gave it its sequence. */
  readonly created: string;
  readonly sequence: number;
  readonly run: number;
  readonly signal: AbortSignal;
  /** An earlier attempt may have published already, here or elsewhere, however long ago. */
  readonly mayBeRepeat: boolean;
  /** False once another process may handle the event. */
  mayPublish(): boolean;
}

/**
 * Publishes what a handler decides on, so that each such event is stored once although its cause may be handled again.
 *
 * 1. The event's id follows from its cause, so every repeat has the same one.
 * 2. Within the duplicate window the stream itself knows that id.
 * 3. A repeat may come later. So where one is possible, the id is looked for in the aggregate's history first.
 * 4. After the lease has ended nothing is published: the next owner handles the cause, and publishes.
 */
export class CausedEvents {
  readonly #calls = new Map<string, number>();
  /** The last look-up per topic and aggregate: the next event may not pass it. */
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(private readonly cause: Cause) {}

  /** @throws as {@link AggregateContext.publish} */
  async publish(
    target: EventTarget,
    event: AggregateEvent,
    options: CausedEventOptions,
  ): Promise<PublishReceipt> {
    check(event);
    checkCallOptions('ctx.publish', options, OPTION_RULES);
    const { key, again = false } = options;
    const { cause } = this;
    const place = `${target.topic} ${tokenOf(event.aggregateId)}`;
    const call = (this.#calls.get(place) ?? 0) + 1;
    this.#calls.set(place, call);
    const eventId = causedEventId([
      ...[cause.group, cause.topic, cause.created, cause.sequence, target.topic, event.aggregateId],
      ...(key === undefined ? ['call', call] : ['key', key]),
      ...(again ? ['run', cause.run] : []),
    ]);
    const caused = { ...event, eventId };
    if (!cause.mayBeRepeat) return this.#send(target, caused);
    const turn = this.#sendUnlessStored(target, caused, this.#turns.get(place));
    this.#turns.set(place, turn);
    return (await turn).receipt;
  }

  /** Resolves when the event is sent, so that the one after it may follow. */
  async #sendUnlessStored(
    target: EventTarget,
    event: AggregateEvent & { eventId: string },
    before: Promise<unknown> | undefined,
  ): Promise<{ receipt: PublishReceipt | Promise<PublishReceipt> }> {
    await before;
    const { topic, sequence, signal } = this.cause;
    // What it causes is stored after it.
    const fromSequence = target.topic === topic ? sequence + 1 : 1;
    const stored = await target.findStored(event.aggregateId, event.eventId, { fromSequence, signal });
    return { receipt: stored ?? this.#send(target, event) };
  }

  #send(target: EventTarget, event: AggregateEvent): Promise<PublishReceipt> {
    const { cause } = this;
    if (cause.mayPublish()) return target.publish(event as never, { signal: cause.signal });
    throw new AggregateTransportError(
      'LEASE_LOST',
      'expected the lease to stand while its handler publishes, found that it has ended; nothing was sent: the next ' +
        'owner handles the event and publishes',
    );
  }
}

const OPTION_RULES: CallOptionRules = {
  key: { expected: 'a text', is: (value) => typeof value === 'string' && value !== '' },
  again: { expected: 'true or false', is: (value) => typeof value === 'boolean' },
};

function check(event: AggregateEvent): void {
  requireEvent(event);
  if (event.eventId !== undefined) {
    throw new AggregateTransportError(
      'EVENT_INVALID',
      'expected an event without eventId, found one; nothing was sent: ctx.publish makes the id from the event that is ' +
        'handled; pass options.key to tell two events apart',
    );
  }
}
