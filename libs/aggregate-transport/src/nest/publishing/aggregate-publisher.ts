import { type Observable, Subject } from 'rxjs';
import { AggregateTransportError } from '../../errors.js';
import { muteRejection } from '../../foreign.js';
import type { AggregateEvent, PublishReceipt } from '../../message/event.js';
import type { EventMap } from '../../message/topic.js';
import type { EventIn, StoredEventIn } from '../../message/topic-types.js';
import { tokenOf } from '../../message/subject.js';
import { HEADER, messageIdOf } from '../../message/headers.js';
import type { CheckedEvent } from '../../message/outgoing/checked-event.js';
import { aborted, saturated } from '../../publisher/publish-errors.js';
import { DEFAULTS } from '../../transport/options.js';
import {
  checkPublishOptions,
  checkReadOptions,
  type PublishCallOptions,
  type ReadOptions,
} from './call-options.js';
import { checkList, publishList, publishOne, type RefusalReach } from './publish-list.js';
import { ChainedPublisher } from './chained-publisher.js';
import { shapeStored } from '../../message/shapes/shape-stored.js';
import { toStoredEvent } from '../../message/stored-event.js';
import { flushOf, pendingOf, type TopicLink, type TopicLinks } from '../../transport/open-topics.js';

/** How one publish call ended; see {@link AggregatePublisher.results$}. */
export type PublishResult<E extends AggregateEvent = AggregateEvent> =
  | { readonly outcome: 'stored'; readonly event: E; readonly receipt: PublishReceipt }
  /** It is certain that the call did not store the event. */
  | { readonly outcome: 'failed'; readonly event: E; readonly error: AggregateTransportError }
  /** The event may be stored or not. */
  | { readonly outcome: 'unknown'; readonly event: E; readonly error: AggregateTransportError };

const NO_OPTIONS: PublishCallOptions = Object.freeze({});

/** Some events of a `publishAll` call failed. */
export class PublishAllError extends AggregateTransportError {
  constructor(
    /** One entry per event, in the order given. */
    readonly results: readonly (PublishReceipt | AggregateTransportError)[],
  ) {
    const failed = results.filter((result) => result instanceof Error);
    super(
      'PUBLISH_ALL_FAILED',
      `expected ${results.length} events to be stored, found that ${failed.length} failed; see results`,
      { cause: failed[0] },
    );
  }
}

/** An aggregate as `@nestjs/cqrs` has it. */
export interface UncommittedAggregate<E> {
  /** The events that were applied and not taken off yet, in order. */
  getUncommittedEvents(): E[];
  /** Takes them off. Called once all of them are stored. */
  uncommit(): void;
}

/**
 * Publishes the events of one topic. Events of one aggregate are stored in call order. All publishers of a topic in one
 * process share one sequencer. Safe to call concurrently.
 *
 * A call takes its event into the queue of its aggregate. If the stream refuses a queued event, or its outcome is
 * unknown, those queued after it fail too, and none of them is stored. An event that its call refuses was never queued,
 * and one that is called off leaves the queue. Later calls are stored without it. Where an event must not be stored
 * without the one before it: await each call, give both to one `publishAll`, or use `expectedSequence`.
 */
export class AggregatePublisher<M extends object = EventMap, I extends object = M> {
  readonly #results = new Subject<PublishResult>();
  /** Calls that wait for the connection; a later call may not pass them. */
  #early = 0;

  /**
   * The outcome of every call made on this object, exactly once, as it becomes known; for an outbox. Subscribe
   * before the first call. After `unknown`, publish that event again, under its own id, before any later one.
   */
  readonly results$ = this.#results.asObservable() as Observable<PublishResult<EventIn<I>>>;

  /** @internal */
  constructor(
    /** The topic that it publishes to. */
    readonly topic: string,
    private readonly links: TopicLinks,
  ) {}

  /** Events without an outcome. */
  get pending(): number {
    const link = this.links.opened(this.topic);
    return this.#early + (link === undefined ? 0 : pendingOf(link));
  }

  /** Events stored since the start, counted when the stream has confirmed them. */
  get published(): number {
    return this.links.opened(this.topic)?.sequencer.published ?? 0;
  }

  /** Accepted events that were not stored, or whose outcome is unknown. */
  get failed(): number {
    return this.links.opened(this.topic)?.sequencer.failed ?? 0;
  }

  /**
   * Publishes one event; resolves when the stream has stored it. While `publish.maxPending` is reached or NATS is
   * away, the event waits in the process, without a limit. Where a request waits for it, pass
   * `{ signal: AbortSignal.timeout(1_500) }`. Once it is sent, it has its outcome within `publish.giveUpAfterMs`.
   *
   * Repeating a call with the same `eventId` within the stream's duplicate window stores nothing new.
   *
   * @throws AGGREGATE_ID_INVALID, EVENT_INVALID, PAYLOAD_NOT_SERIALIZABLE, EVENT_TOO_LARGE,
   *   HEADER_RESERVED, PUBLISHER_SATURATED, ABORTED: never sent; calls made after it are stored all the same
   * @throws PUBLISHER_CLOSED, CONNECTION_CLOSED, PREDECESSOR_REJECTED, PREDECESSOR_UNKNOWN: not stored
   * @throws PUBLISH_REJECTED, SEQUENCE_CONFLICT, SEQUENCE_UNKNOWN: sent, not stored
   * @throws OUTCOME_UNKNOWN: stored or not; the aggregate accepts nothing until that is known
   */
  publish<K extends keyof I & string>(
    event: EventIn<I, K>,
    options: PublishCallOptions = NO_OPTIONS,
  ): Promise<PublishReceipt> {
    const link = this.#linkNow();
    const stored =
      link === undefined ? this.#publishWhenOpen(event, options) : publishOn(link, event, options);
    if (this.#results.observed) this.#report(event, stored);
    return stored;
  }

  /**
   * Publishes many events, in the order given for each aggregate, aggregates side by side. Waits for all.
   *
   * The whole list is checked before any of it is sent. If an event is refused, no later event of its aggregate in the
   * list is sent: those reject with PREDECESSOR_REJECTED, whose `cause` is the refusal. Other aggregates, and events
   * before the refused one, are stored.
   *
   * If an event says `expectedSequence`, each later one of its aggregate in the list that says none expects the one
   * before it. So only the first needs a number. If it is wrong nothing of its aggregate's chain is stored. The chain
   * ends where another publisher's event comes between.
   *
   * @throws PublishAllError if any failed, with one entry per event
   * @throws EVENT_INVALID if it is no list, or an option is none
   */
  publishAll<K extends keyof I & string>(
    events: readonly EventIn<I, K>[],
    options: PublishCallOptions = NO_OPTIONS,
  ): Promise<PublishReceipt[]> {
    return this.#publishList(events, options, 'aggregate');
  }

  /**
   * Publishes the uncommitted events of a CQRS aggregate and takes them off it once all are stored. Unlike
   * its own `commit()`, which drops the promise, this one can be awaited.
   *
   * If one event is refused, none is sent; the others reject with PREDECESSOR_REJECTED. If the stream refuses one,
   * those before it are stored. The aggregate keeps all of its events in both cases, and another call publishes all of
   * them. Give each an `eventId`: then nothing is stored twice within the stream's duplicate window.
   * @throws PublishAllError; the aggregate keeps its events then
   */
  async publishAggregate<E, K extends keyof I & string>(
    aggregate: UncommittedAggregate<E>,
    toEvent: (event: E) => EventIn<I, K>,
  ): Promise<PublishReceipt[]> {
    const events = aggregate.getUncommittedEvents().map((event) => toEvent(event));
    const receipts = await this.#publishList(events, NO_OPTIONS, 'list');
    aggregate.uncommit();
    return receipts;
  }

  /**
   * Checks and encodes an event exactly as `publish` does, and sends nothing. For an outbox: an event that passes can
   * be published later, from its body. Waits only while the topic is not open yet.
   *
   * @throws AGGREGATE_ID_INVALID, EVENT_INVALID, PAYLOAD_NOT_SERIALIZABLE, EVENT_TOO_LARGE, HEADER_RESERVED
   */
  async check<K extends keyof I & string>(event: EventIn<I, K>): Promise<CheckedEvent> {
    const [checked] = await this.checkAll<K>([event]);
    return checked as CheckedEvent;
  }

  /**
   * As {@link check}, for a list. Calls for one aggregate resolve in call order, also while a schema answers later.
   *
   * @throws the error of the first event that is refused
   */
  async checkAll<K extends keyof I & string>(
    events: readonly EventIn<I, K>[],
  ): Promise<readonly CheckedEvent[]> {
    const link = this.links.opened(this.topic) ?? (await this.links.open(this.topic));
    return checkList(link, events);
  }

  async #publishList(
    events: readonly AggregateEvent[],
    options: PublishCallOptions,
    reach: RefusalReach,
  ): Promise<PublishReceipt[]> {
    requireList(events);
    if (options !== NO_OPTIONS) checkPublishOptions(options);
    const { signal } = options;
    const link = this.#linkNow();
    const stored =
      link === undefined
        ? this.#publishListWhenOpen([...events], { signal, reach })
        : publishList(link, events, { signal, reach });
    if (this.#results.observed) {
      for (const [index, event] of events.entries()) {
        const one = stored[index];
        if (one !== undefined) this.#report(event, one);
      }
    }
    const outcomes = await Promise.allSettled(stored);
    const results = outcomes.map((outcome) =>
      outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as AggregateTransportError),
    );
    const receipts = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    if (receipts.length < results.length) throw new PublishAllError(results);
    return receipts;
  }

  /** For the relay of an outbox: publishes checked events as chains, through this topic's sequencer. */
  get chained(): ChainedPublisher {
    return new ChainedPublisher(this.topic, this.links);
  }

  /** Resolves when every event published so far has its outcome, of any kind. */
  async flush(): Promise<void> {
    await flushOf(await this.links.open(this.topic));
  }

  /** The sequence of an aggregate's last stored event, 0 if it has none: what `expectedSequence` compares with. */
  async lastSequence(aggregateId: string): Promise<number> {
    const token = tokenOf(aggregateId);
    const link = await this.links.open(this.topic);
    return link.sequencer.lastSequence(link.subjectOf(token));
  }

  /**
   * An aggregate's history in stored order, from its own subject, with every event stored before the call. The size of
   * the stream does not matter. Events published while it runs come last. On nats-server 2.11 and newer it is read in
   * batches, for streams with `allow_direct`; else event by event, about half a millisecond each. At most two
   * batches of 2 048 events, or 1 MiB, are in memory. Leave the loop early at any event: nothing stays open.
   *
   * Of a topic with shapes, events are read in the declared version, as their schema gives them. Otherwise the topic's
   * types are taken on trust: nothing checks here what other publishers have stored.
   *
   * @throws AGGREGATE_ID_INVALID, OPTIONS_INVALID, JETSTREAM_REQUEST_FAILED
   * @throws ENVELOPE_INVALID, PAYLOAD_INVALID at an event that cannot be read
   * @throws VERSION_NEWER at an event that only a newer release of the service can read
   */
  async *read(aggregateId: string, options: ReadOptions = {}): AsyncGenerator<StoredEventIn<M>, void> {
    checkReadOptions(options);
    const { fromSequence = 1 } = options;
    const token = tokenOf(aggregateId);
    const link = await this.links.open(this.topic);
    const { codec } = link.topic;
    for await (const message of link.wire.messagesOf(link.subjectOf(token), fromSequence)) {
      const event = toStoredEvent(message, { topic: this.topic, token, codec });
      const { checks } = link;
      yield (checks === undefined ? event : await shapeStored(event, checks.shapes)) as StoredEventIn<M>;
    }
  }

  /** Opens an aggregate whose last outcome is unknown; the caller vouches for the open event. */
  resume(aggregateId: string): void {
    this.links.opened(this.topic)?.sequencer.resume(tokenOf(aggregateId));
  }

  /** The topic if it is open, and no earlier call waits for it. */
  #linkNow(): TopicLink | undefined {
    return this.#early === 0 ? this.links.opened(this.topic) : undefined;
  }

  /** @internal The receipt of an event of the aggregate's history; undefined if the stream does not hold it. */
  async findStored(
    aggregateId: string,
    eventId: string,
    { fromSequence, signal }: { readonly fromSequence: number; readonly signal: AbortSignal },
  ): Promise<PublishReceipt | undefined> {
    const { topic } = this;
    const token = tokenOf(aggregateId);
    const link = await this.links.open(topic);
    for await (const { sequence, headers } of link.wire.messagesOf(link.subjectOf(token), fromSequence)) {
      if (signal.aborted) throw aborted(signal.reason);
      if (headers[HEADER.messageId] === messageIdOf(token, eventId))
        return { topic, sequence, duplicate: true };
    }
    return undefined;
  }

  async #publishWhenOpen(event: AggregateEvent, options: PublishCallOptions): Promise<PublishReceipt> {
    const room = this.#earlyRoom();
    if (this.#early >= room) throw saturated(room);
    return this.#whenOpen(1, (link) => publishOn(link, event, options));
  }

  /** Each event of the list counts as a call that waits; those that find no room are the last ones. */
  #publishListWhenOpen(
    events: readonly AggregateEvent[],
    options: { readonly signal: AbortSignal | undefined; readonly reach: RefusalReach },
  ): Promise<PublishReceipt>[] {
    const room = this.#earlyRoom();
    const taken = events.slice(0, Math.max(0, room - this.#early));
    const sent = this.#whenOpen(taken.length, (link) => publishList(link, taken, options));
    muteRejection(sent);
    return events.map(async (_, index) => {
      const one = index < taken.length ? (await sent)[index] : undefined;
      return one ?? Promise.reject(saturated(room));
    });
  }

  #earlyRoom(): number {
    const { maxPending, maxBlocked } = this.links.options.topics.get(this.topic)?.publish ?? DEFAULTS.publish;
    return maxPending + maxBlocked;
  }

  /** Opens the topic; `calls` wait meanwhile, and no later call may pass them. */
  async #whenOpen<T>(calls: number, send: (link: TopicLink) => T | Promise<T>): Promise<T> {
    this.#early += calls;
    let link: TopicLink;
    try {
      link = await this.links.open(this.topic);
    } finally {
      this.#early -= calls;
    }
    return send(link);
  }

  #report(event: AggregateEvent, stored: Promise<PublishReceipt>): void {
    stored.then(
      (receipt) => this.#results.next({ outcome: 'stored', event, receipt }),
      (error: unknown) => this.#results.next(failedResult(event, error as AggregateTransportError)),
    );
  }
}

function publishOn(
  link: TopicLink,
  event: AggregateEvent,
  options: PublishCallOptions,
): Promise<PublishReceipt> {
  try {
    if (options !== NO_OPTIONS) checkPublishOptions(options);
    return publishOne(link, event, options.signal);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** @throws EVENT_INVALID */
function requireList(found: unknown): void {
  if (Array.isArray(found)) return;
  throw new AggregateTransportError(
    'EVENT_INVALID',
    `expected a list of events, found ${found === null ? 'null' : typeof found}; nothing was sent: ` +
      'pass an array, or call publish with one event',
  );
}

function failedResult(event: AggregateEvent, error: AggregateTransportError): PublishResult {
  return { outcome: error.code === 'OUTCOME_UNKNOWN' ? 'unknown' : 'failed', event, error };
}
