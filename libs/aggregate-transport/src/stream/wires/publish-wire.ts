import { isSabotaged } from '#sabotage';
import type { AggregateTransportError } from '../../errors.js';
import { type BatchPlace, HEADER, withBatchPlace } from '../../message/headers.js';
import { NO_RESPONDERS, readAnswer } from '../../publisher/server-answer.js';
import { JsonEvent } from '../../message/outgoing/json-event.js';
import type { OutgoingEvent } from '../../message/outgoing/outgoing-event.js';
import type { PublishListener, PublishPort } from '../../publisher/publish-port.js';
import type { Connection, ConnectionListener } from '../connection/connection.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import type { NatsMessage } from '../port/nats-message.js';
import type { NatsSubscription } from '../port/nats-port.js';
import { streamStateOf } from '../api/stream-state.js';
import { findMessage, headerBlockOf, type MessageQuestion, type RawMessage } from '../api/stored-message.js';
import { idIn, storedPrefixOf, storedSequenceOf } from '../api/answer-bytes.js';

const ID_RADIX = 36;
const STATE_TIMEOUT_MS = 2_000;

/**
 * The way to a topic's stream over a NATS connection: one reply inbox for all events. The client's own
 * `js.publish` keeps a timer, a stack trace and two promises per event and costs five times as much.
 */
export class PublishWire implements PublishPort, ConnectionListener {
  readonly #inbox: string;
  readonly #answers: NatsSubscription;
  readonly #storedPrefix: Uint8Array;

  constructor(
    private readonly connection: Connection,
    private readonly api: JetStreamApi,
    private readonly stream: string,
    private readonly listener: PublishListener,
  ) {
    this.#inbox = `${connection.nats.createInbox()}.`;
    this.#storedPrefix = storedPrefixOf(stream, connection.domain);
    this.#answers = connection.nats.subscribe(`${this.#inbox}*`, {
      callback: (failure, message) => {
        if (failure === null) this.#answered(message);
      },
    });
    connection.listen(this);
  }

  get connected(): boolean {
    return this.connection.connected;
  }

  get maxPayloadBytes(): number {
    return this.connection.maxPayloadBytes;
  }

  reconnected(): void {
    this.listener.reconnected();
  }

  ended(error: AggregateTransportError): void {
    this.listener.ended(error);
  }

  publishDenied(subject: string): void {
    this.listener.denied(subject);
  }

  send(id: number, event: OutgoingEvent): void {
    const text = id.toString(ID_RADIX);
    if (isText(event) && this.connection.publishText(event, this.#inbox, text)) return;
    const reply = this.#inbox + text;
    this.connection.publish(event.subject, event.body, { reply, headers: sent(event.headers) });
  }

  openBatch(batch: number, first: OutgoingEvent): void {
    this.#sendPlaced(batch, first, { batchId: this.#batchId(batch), place: 1, isLast: false }, true);
  }

  storeBatch(batch: number, rest: readonly OutgoingEvent[]): void {
    const batchId = this.#batchId(batch);
    for (const [index, event] of rest.entries()) {
      const isLast = index === rest.length - 1;
      this.#sendPlaced(batch, event, { batchId, place: index + 2, isLast }, isLast);
    }
  }

  #answered(message: NatsMessage): void {
    const { listener } = this;
    const id = this.#idOf(message);
    const body = this.connection.frames.bodyBytesOf(message);
    const sequence = body === undefined ? undefined : storedSequenceOf(body, this.#storedPrefix);
    if (sequence !== undefined) listener.answered(id, { kind: 'stored', sequence, duplicate: false });
    else if (message.headers !== undefined) listener.answered(id, NO_RESPONDERS);
    else if (message.data.length === 0) listener.opened(id);
    else listener.answered(id, readAnswer(message.string()));
  }

  #idOf(message: NatsMessage): number {
    const { length } = this.#inbox;
    const subject = this.connection.frames.subjectBytesOf(message);
    return subject === undefined
      ? Number.parseInt(message.subject.slice(length), ID_RADIX)
      : idIn(subject, length);
  }

  /** Unlike any other publisher's: the inbox is. */
  #batchId(batch: number): string {
    return this.#inbox + batch.toString(ID_RADIX);
  }

  #sendPlaced(batch: number, event: OutgoingEvent, place: BatchPlace, answer: boolean): void {
    const id = answer ? batch.toString(ID_RADIX) : '';
    if (isText(event) && this.connection.publishText(event.placed(place), this.#inbox, id)) return;
    const headers = sent(withBatchPlace(event.headers, place));
    const reply = answer ? { reply: this.#inbox + id } : {};
    this.connection.publish(event.subject, event.body, { headers, ...reply });
  }

  async lastSequence(subject: string): Promise<number> {
    const last = await this.#find({ last_by_subj: subject });
    return last?.seq ?? 0;
  }

  async findStored(subject: string, messageId: string, afterSequence?: number): Promise<number | undefined> {
    const found = await this.#find(
      afterSequence === undefined
        ? { last_by_subj: subject }
        : { seq: afterSequence + 1, next_by_subj: subject },
    );
    if (found === undefined) return undefined;
    return headerBlockOf(found).includes(`${HEADER.messageId}: ${messageId}\r\n`) ? found.seq : undefined;
  }

  async hasDropped(sequence: number): Promise<boolean> {
    // In this order: a sequence that the stream gave before and does not hold now was dropped.
    const { lastSequence } = await streamStateOf(this.api, this.stream, STATE_TIMEOUT_MS);
    return sequence <= lastSequence && (await this.#find({ seq: sequence })) === undefined;
  }

  close(): void {
    this.connection.forget(this);
    this.#answers.unsubscribe();
  }

  #find(which: MessageQuestion): Promise<RawMessage | undefined> {
    return findMessage(this.api, this.stream, which);
  }
}

function isText(event: OutgoingEvent): event is JsonEvent {
  return event instanceof JsonEvent && !isSabotaged('copies-without-id');
}

/** For sabotage only. */
function withoutId(headers: Uint8Array): Uint8Array {
  return Buffer.from(
    Buffer.from(headers)
      .toString('utf8')
      .replace(/Nats-Msg-Id: .*\r\n/, ''),
    'utf8',
  );
}

function sent(block: Uint8Array): Uint8Array {
  return isSabotaged('copies-without-id') ? withoutId(block) : block;
}
