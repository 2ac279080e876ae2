import { ClientProxy, type ReadPacket } from '@nestjs/microservices';
import { AsyncSubject, type Observable, throwError } from 'rxjs';
import { systemClock } from '../../clock.js';
import { AggregateTransportError, describeError, errorFields } from '../../errors.js';
import type { AggregateEvent, PublishReceipt } from '../../message/event.js';
import { isPlainObject } from '../../message/json.js';
import { type Topic, topicNameOf, type TopicRef } from '../../message/topic.js';
import { AggregatePublisher } from './aggregate-publisher.js';
import { type AggregateClientEvents, ClientStatus } from './client-status.js';
import { nestLog } from '../nest-log.js';
import type { AggregateTransportOptions } from '../../transport/options.js';
import { resolveOptions } from '../../transport/resolve-options.js';
import { TopicLinks } from '../../transport/open-topics.js';

/** As Nest's base class wants it: a type, not an interface. */
type EventsOfClient = { [E in keyof AggregateClientEvents]: AggregateClientEvents[E] };

/** What `AggregateClient.emit` takes: an event, in a class of its own so that nothing else passes for one. */
export class AggregateRecord<T = unknown> {
  constructor(
    /** The event that is published. */
    readonly event: AggregateEvent<T>,
  ) {}
}

/**
 * The transport as a Nest `ClientProxy`. Injected, it shares its topics' sequencers with all publishers;
 * made by `ClientsModule.register({ customClass: AggregateClient, options })`, it has its own, so order
 * between the two is not kept.
 */
export class AggregateClient extends ClientProxy<EventsOfClient> {
  readonly #links: TopicLinks;
  readonly #publishers = new Map<string, AggregatePublisher>();
  readonly #log = nestLog('AggregateClient');
  readonly #status = new ClientStatus((status) => this._status$.next(status), this.#log);

  constructor(source: TopicLinks | AggregateTransportOptions) {
    super();
    this.#links =
      source instanceof TopicLinks ? source : new TopicLinks(resolveOptions(source), systemClock, this.#log);
    this.#links.watch((link) => this.#status.watch(link));
    this.#links.atEnd(() => this.#log.flush?.());
  }

  /** Opens all topics. Safe to call often. */
  async connect(): Promise<void> {
    await this.#links.openAll();
  }

  /** Waits for open publishes, then closes the connections. */
  async close(): Promise<void> {
    await this.#links.close();
    this._status$.next('disconnected');
  }

  /** Calls back with the topic whose connection is gone (`disconnect`) or back (`reconnect`). */
  override on<E extends keyof AggregateClientEvents>(event: E, callback: AggregateClientEvents[E]): void {
    this.#status.on(event, callback);
  }

  /**
   * Publishes an event, at once: it is sent with or without a subscriber. The Observable gives the receipt, or the
   * error. Without a subscriber a failure is logged.
   */
  override emit<TResult = PublishReceipt, TInput = AggregateRecord>(
    topic: TopicRef,
    record: TInput,
  ): Observable<TResult> {
    const result = new AsyncSubject<TResult>();
    this.#emitted<TResult>(topic, record).then(
      (receipt) => {
        result.next(receipt);
        result.complete();
      },
      (error: unknown) => {
        if (!result.observed) {
          const name = typeof topic === 'string' ? topic : (topic as Partial<Topic> | undefined)?.name;
          this.#log.write(
            'emitted-not-stored',
            { topic: name ?? 'unknown', ...errorFields(error) },
            `an event emitted to topic "${name}" was not stored: ${describeError(error)}`,
          );
        }
        result.error(error);
      },
    );
    return result.asObservable();
  }

  async #emitted<T>(topic: TopicRef, record: unknown): Promise<T> {
    this.#links.declare(topic);
    return this.dispatchEvent<T>({ pattern: topicNameOf(topic, 'AggregateClient.emit'), data: record });
  }

  /** Refused: no handler of a stored event replies. */
  override send<TResult = never>(): Observable<TResult> {
    return throwError(
      () =>
        new AggregateTransportError(
          'REQUEST_UNSUPPORTED',
          'expected emit(): no caller of a stored event waits for a reply; use another transport for requests',
        ),
    );
  }

  /** The NATS connections by topic name, as `Map<string, NatsConnection>`. */
  unwrap<T>(): T {
    const topics = [...this.#links.options.topics.keys()];
    return new Map(topics.map((name) => [name, this.#links.opened(name)?.wire.nats])) as T;
  }

  protected publish(): never {
    throw new AggregateTransportError('REQUEST_UNSUPPORTED', 'expected emit(), found a request');
  }

  /** Rejects with what a hook of Nest's tools, or the record, throws. */
  protected override async dispatchEvent<T>(packet: ReadPacket<unknown>): Promise<T> {
    this.onDispatchHook?.(packet);
    const topic = String(packet.pattern);
    const record = packet.data;
    if (!(record instanceof AggregateRecord)) {
      throw new AggregateTransportError(
        'EVENT_INVALID',
        `expected new AggregateRecord({ aggregateId, type, payload }) for topic "${topic}", found ` +
          `${typeof record}; nothing was sent`,
      );
    }
    return (await this.#publisherOf(topic).publish(withMetadata(record, packet))) as T;
  }

  #publisherOf(topic: string): AggregatePublisher {
    const known = this.#publishers.get(topic);
    if (known !== undefined) return known;
    const publisher = new AggregatePublisher(topic, this.#links);
    this.#publishers.set(topic, publisher);
    return publisher;
  }
}

/** Nest 12's tools leave trace metadata on the packet; it travels as headers. */
function withMetadata({ event }: AggregateRecord, packet: ReadPacket<unknown>): AggregateEvent {
  const { metadata } = packet as { metadata?: Record<string, string> };
  // What is no event, and headers that are no plain object, are refused by the publisher.
  if (metadata === undefined || typeof event !== 'object' || (event as unknown) === null) return event;
  if (event.headers !== undefined && !isPlainObject(event.headers)) return event;
  return { ...event, headers: { ...metadata, ...event.headers } };
}
