import { type Observable, Subject } from 'rxjs';
import { AggregateTransportError, describeError } from '../../errors.js';
import type { AggregateEvent, PublishReceipt } from '../../message/event.js';
import type { EventMap } from '../../message/topic.js';
import type { EventIn, StoredEventIn } from '../../message/topic-types.js';
import { tokenOf } from '../../message/subject.js';
import { HEADER, messageIdOf } from '../../message/headers.js';
import { type CheckedEvent, checkedEvent } from '../../message/outgoing/checked-event.js';
import { aborted, saturated } from '../../publisher/publish-errors.js';
import { DEFAULTS } from '../../transport/options.js';
import { ChainedPublisher } from './chained-publisher.js';
import { ExpectationChain } from './expectation-chain.js';
import { toStoredEvent } from '../../message/stored-event.js';
import type { TopicLink, TopicLinks } from '../../transport/open-topics.js';

/** How one publish call ended; see {@link AggregatePublisher.results$}. */
export type PublishResult<E extends AggregateEvent = AggregateEvent> =
  | { readonly outcome: 'stored'; readonly event: E; readonly receipt: PublishReceipt }
  /** It is certain that the call did not store the event. */
  | { readonly outcome: 'failed'; readonly event: E; readonly error: AggregateTransportError }
  /** The event may be stored or not. */
  | { readonly outcome: 'unknown'; readonly event: E; readonly error: AggregateTransportError };

export interface PublishCallOptions {
  /** Calls the event off as long as it is not sent; then the call rejects with ABORTED. */
  signal?: AbortSignal;
}

const NO_OPTIONS: PublishCallOptions = Object.freeze({});

export interface ReadOptions {
  /** The first stream sequence of interest. @default 1 */
  fromSequence?: number;
}

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
  getUncommittedEvents(): E[];
  uncommit(): void;
}

/**
 * Publishes the events of one topic. Events of one aggregate are stored in call order, without a hole. If one fails,
 * those queued after it fail too, and none of them is stored. All publishers of a topic in one process share one
 * sequencer. Safe to call concurrently.
 */
export class AggregatePublisher<M extends object = EventMap> {
  readonly #results = new Subject<PublishResult>();
  /** Calls that wait for the connection; a later call may not pass them. */
  #early = 0;

  /**
   * The outcome of every call made on this object, exactly once, as it becomes known; for an outbox. Subscribe
   * before the first call. After `unknown`, publish that event again, under its own id, before any later one.
   */
  readonly results$ = this.#results.asObservable() as Observable<PublishResult<EventIn<M>>>;

  /** @internal */
  constructor(
    readonly topic: string,
    private readonly links: TopicLinks,
  ) {}

  /** Events without an outcome. */
  get pending(): number {
    return this.#early + (this.links.opened(this.topic)?.sequencer.pending ?? 0);
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
   * Publishes one event; resolves when the stream has stored it. While `publish.maxPending` is reached the
   * event waits in the process. Repeating a call with the same `eventId` within the stream's duplicate
   * window stores nothing new.
   *
   * @throws AGGREGATE_ID_INVALID, EVENT_INVALID, PAYLOAD_NOT_SERIALIZABLE, EVENT_TOO_LARGE,
   *   HEADER_RESERVED, PUBLISHER_SATURATED, ABORTED: never sent
   * @throws PUBLISHER_CLOSED, CONNECTION_CLOSED, PREDECESSOR_REJECTED, PREDECESSOR_UNKNOWN: not stored
   * @throws PUBLISH_REJECTED, SEQUENCE_CONFLICT, SEQUENCE_UNKNOWN: sent, not stored
   * @throws OUTCOME_UNKNOWN: stored or not; the aggregate accepts nothing until that is known
   */
  publish<K extends keyof M & string>(
    event: EventIn<M, K>,
    options: PublishCallOptions = NO_OPTIONS,
  ): Promise<PublishReceipt> {
    return this.#publish(event, options);
  }

  /**
   * Publishes many events, in the order given for each aggregate, aggregates side by side. Waits for all.
   *
   * If an event says `expectedSequence`, each later one of its aggregate in the list that says none expects the one
   * before it. So only the first needs a number. If it is wrong nothing of its aggregate's chain is stored. The chain
   * ends where another publisher's event comes between.
   *
   * @throws PublishAllError if any failed, with one entry per event
   * @throws EVENT_INVALID if it is no list
   */
  async publishAll<K extends keyof M & string>(
    events: readonly EventIn<M, K>[],
    options: PublishCallOptions = {},
  ): Promise<PublishReceipt[]> {
    if (!Array.isArray(events)) throw noList(events);
    const chain = new ExpectationChain();
    const outcomes = await Promise.allSettled(
      events.map((event: EventIn<M, K>) => this.#publish(event, options, chain)),
    );
    const results = outcomes.map((outcome) =>
      outcome.status === 'fulfilled' ? outcome.value : (outcome.reason as AggregateTransportError),
    );
    const receipts = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
    if (receipts.length < results.length) throw new PublishAllError(results);
    return receipts;
  }

  /**
   * Publishes the uncommitted events of a CQRS aggregate and takes them off it once all are stored. Unlike
   * its own `commit()`, which drops the promise, this one can be awaited.
   * @throws PublishAllError; the aggregate keeps its events then
   */
  async publishAggregate<E, K extends keyof M & string>(
    aggregate: UncommittedAggregate<E>,
    toEvent: (event: E) => EventIn<M, K>,
  ): Promise<PublishReceipt[]> {
    const receipts = await this.publishAll(aggregate.getUncommittedEvents().map(toEvent));
    aggregate.uncommit();
    return receipts;
  }

  /**
   * Checks and encodes an event exactly as `publish` does, and sends nothing. For an outbox: an event that passes can
   * be published later, from its body. Waits only while the topic is not open yet.
   *
   * @throws AGGREGATE_ID_INVALID, EVENT_INVALID, PAYLOAD_NOT_SERIALIZABLE, EVENT_TOO_LARGE, HEADER_RESERVED
   */
  async check<K extends keyof M & string>(event: EventIn<M, K>): Promise<CheckedEvent> {
    const link = this.links.opened(this.topic) ?? (await this.links.open(this.topic));
    try {
      return checkedEvent(link.prepare(event), event.headers, link.topic.codec);
    } catch (thrown) {
      throw thrown instanceof AggregateTransportError ? thrown : unreadable(thrown);
    }
  }

  /** For the relay of an outbox: publishes checked events as chains, through this topic's sequencer. */
  get chained(): ChainedPublisher {
    return new ChainedPublisher(this.topic, this.links);
  }

  /** Resolves when every event published so far has its outcome, of any kind. */
  async flush(): Promise<void> {
    const { sequencer } = await this.links.open(this.topic);
    await sequencer.flush();
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
   * batches of 512 events, or 1 MiB, are in memory. Leave the loop early at any event: nothing stays open.
   *
   * The topic's types are taken on trust: nothing checks here what other publishers have stored.
   *
   * @throws AGGREGATE_ID_INVALID, JETSTREAM_REQUEST_FAILED
   * @throws ENVELOPE_INVALID at an event that cannot be read
   */
  async *read(
    aggregateId: string,
    { fromSequence = 1 }: ReadOptions = {},
  ): AsyncGenerator<StoredEventIn<M>, void> {
    const token = tokenOf(aggregateId);
    const link = await this.links.open(this.topic);
    const { codec } = link.topic;
    for await (const message of link.wire.messagesOf(link.subjectOf(token), fromSequence)) {
      yield toStoredEvent(message, { topic: this.topic, token, codec }) as StoredEventIn<M>;
    }
  }

  /** Opens an aggregate whose last outcome is unknown; the caller vouches for the open event. */
  resume(aggregateId: string): void {
    this.links.opened(this.topic)?.sequencer.resume(tokenOf(aggregateId));
  }

  #publish(
    event: AggregateEvent,
    options: PublishCallOptions,
    chain?: ExpectationChain,
  ): Promise<PublishReceipt> {
    const link = this.#early === 0 ? this.links.opened(this.topic) : undefined;
    const stored =
      link === undefined
        ? this.#publishWhenOpen(event, options, chain)
        : publishOn(link, event, options, chain);
    if (this.#results.observed) this.#report(event, stored);
    return stored;
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

  async #publishWhenOpen(
    event: AggregateEvent,
    options: PublishCallOptions,
    chain: ExpectationChain | undefined,
  ): Promise<PublishReceipt> {
    const { maxPending, maxBlocked } = this.links.options.topics.get(this.topic)?.publish ?? DEFAULTS.publish;
    if (this.#early >= maxPending + maxBlocked) throw saturated(maxPending + maxBlocked);
    this.#early++;
    let link: TopicLink;
    try {
      link = await this.links.open(this.topic);
    } finally {
      this.#early--;
    }
    return publishOn(link, event, options, chain);
  }

  #report(event: AggregateEvent, stored: Promise<PublishReceipt>): void {
    stored.then(
      (receipt) => this.#results.next({ outcome: 'stored', event, receipt }),
      (error: unknown) => this.#results.next(failedResult(event, error as AggregateTransportError)),
    );
  }
}

/** `chain` is that of the event's list. */
function publishOn(
  link: TopicLink,
  event: AggregateEvent,
  options: PublishCallOptions,
  chain: ExpectationChain | undefined,
): Promise<PublishReceipt> {
  try {
    const { signal } = options;
    checkSignal(signal);
    const outgoing = link.prepare(event);
    return link.sequencer.publish(chain === undefined ? outgoing : chain.link(outgoing), signal);
  } catch (thrown) {
    const error = thrown instanceof AggregateTransportError ? thrown : unreadable(thrown);
    if (chain !== undefined) breakChain(chain, event, error);
    return Promise.reject(error);
  }
}

/** @throws EVENT_INVALID if it is no AbortSignal */
function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined || typeof (signal as Partial<AbortSignal> | null)?.addEventListener === 'function')
    return;
  throw new AggregateTransportError(
    'EVENT_INVALID',
    `expected options.signal to be an AbortSignal, found a value of type ${typeof signal}; nothing was sent`,
  );
}

/** What is no event, or has no aggregate, is in no chain. */
function breakChain(chain: ExpectationChain, event: AggregateEvent, error: Error): void {
  try {
    chain.break(tokenOf(event.aggregateId), event.expectedSequence !== undefined, error);
  } catch {
    // It has its error.
  }
}

/** A getter or a proxy of the caller has thrown. */
function unreadable(cause: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'EVENT_INVALID',
    `expected an event whose fields can be read, found that reading one throws (${describeError(cause)}); nothing was sent`,
    { cause },
  );
}

function noList(found: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'EVENT_INVALID',
    `expected a list of events, found ${found === null ? 'null' : typeof found}; nothing was sent: ` +
      'pass an array, or call publish with one event',
  );
}

function failedResult(event: AggregateEvent, error: AggregateTransportError): PublishResult {
  return { outcome: error.code === 'OUTCOME_UNKNOWN' ? 'unknown' : 'failed', event, error };
}
