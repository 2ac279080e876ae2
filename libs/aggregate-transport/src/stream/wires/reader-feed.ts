import { describeError, errorFields } from '../../errors.js';
import type { LogAt } from '../../log.js';
import { Delivery } from '../../message/delivery.js';
import type { Feed, FeedListener } from '../../message/reader-port.js';
import type { KeyAccess } from '../keys/partition-key.js';
import type { ConsumerInfo } from '../api/api-types.js';
import { nanosOf } from '../api/time.js';
import type { NatsFailure } from '../port/nats-failure.js';
import type { NatsMessage } from '../port/nats-message.js';
import type { NatsSubscription } from '../port/nats-port.js';
import { DeliveredEvent, type DeliverySource } from './event-origin.js';
import { replyPrefixOf } from './reply-subject.js';
import { describeEdit } from './reader-edit.js';

export interface ReaderFeedOptions extends KeyAccess {
  readonly stream: string;
  readonly reader: string;
  readonly listener: FeedListener;
  readonly log: LogAt<'partition'>;
}

/** What the server says of a pull, by status code (ADR-13). */
const STATUS = { idle: 100, noMessages: 404, expired: 408, noResponders: 503 } as const;

const INFO_TIMEOUT_MS = 2_000;

/**
 * One reader on the server with the inbox that hears it. It has raw pull requests and one subscription. No object,
 * timer or promise is made per event but the event itself.
 */
export class ReaderFeed implements Feed {
  readonly #inbox: string;
  readonly #pullSubject: string;
  readonly #source: DeliverySource;
  readonly #subscription: NatsSubscription;
  #made: ConsumerInfo | undefined;
  #isClosed = false;

  constructor(private readonly options: ReaderFeedOptions) {
    const { connection, api, stream, reader } = options;
    this.#inbox = connection.nats.createInbox();
    this.#pullSubject = api.subjectOf(`CONSUMER.MSG.NEXT.${stream}.${reader}`);
    this.#source = { replyPrefix: replyPrefixOf(stream, reader), frames: connection.frames };
    this.#subscription = connection.nats.subscribe(this.#inbox, {
      callback: (failure, message) => this.#hear(failure, message),
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  pull({ events, expiresMs, idleHeartbeatMs }: Parameters<Feed['pull']>[0]): void {
    const { connection } = this.options;
    if (this.#isClosed || !connection.connected) return;
    const body =
      `{"batch":${events},"expires":${nanosOf(expiresMs)},` + `"idle_heartbeat":${nanosOf(idleHeartbeatMs)}}`;
    connection.publish(this.#pullSubject, body, { reply: this.#inbox });
  }

  /** The server has made it so. */
  noteMade(made: ConsumerInfo): void {
    this.#made = made;
  }

  async findEdit(): Promise<string | undefined> {
    const { api, stream, reader } = this.options;
    const call = `CONSUMER.INFO.${stream}.${reader}`;
    const found = await api.request<ConsumerInfo>(call, undefined, INFO_TIMEOUT_MS);
    return this.#made && describeEdit(this.#made, found);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { api, stream, reader } = this.options;
    this.#subscription.unsubscribe();
    // If this is lost, the server removes the reader after its threshold.
    api.send(`CONSUMER.DELETE.${stream}.${reader}`);
  }

  /** An exception in here would silently end the subscription. */
  #hear(lost: NatsFailure | null, message: NatsMessage): void {
    if (this.#isClosed) return;
    const { listener } = this.options;
    try {
      if (lost !== null) listener.lost(describeError(lost));
      else if (message.subject === this.#inbox) this.#hearStatus(message);
      else listener.delivered(new Delivery(new DeliveredEvent(message, this.#source)));
    } catch (failure) {
      this.#fail(failure);
    }
  }

  #fail(failure: unknown): void {
    const { listener, reader, log } = this.options;
    try {
      listener.lost(`what it delivered was not taken in: ${describeError(failure)}`);
    } catch (again) {
      const text = `reader "${reader}": its listener fails: ${describeError(again)}`;
      log.write('reader-listener-failed', errorFields(again), text, again);
    }
  }

  #hearStatus({ headers }: NatsMessage): void {
    const { listener } = this.options;
    const number = (name: string): number => Number(headers?.get(name) ?? '');
    switch (headers?.code) {
      case STATUS.idle:
        listener.idle(number('Nats-Last-Consumer'), number('Nats-Last-Stream'));
        return;
      case STATUS.noMessages:
      case STATUS.expired:
        listener.pullEnded(number('Nats-Pending-Messages'));
        return;
      case STATUS.noResponders:
        listener.unheard();
        return;
      case undefined:
      default:
        listener.lost(
          `the server ended the pull: ${headers?.code ?? 0} ${headers?.description ?? 'without a reason'}`,
        );
    }
  }
}
