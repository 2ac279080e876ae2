import type { AggregateTransportError } from '../errors.js';
import type { OutgoingEvent } from '../message/outgoing/outgoing-event.js';
import type { ServerAnswer } from './server-answer.js';

/** Opens the publisher's connection to the stream of one topic. */
export interface PublishConnector {
  /** Connects the listener. Nothing is sent before the returned port is asked to. */
  connectPublisher(listener: PublishListener): PublishPort;
}

/** The stream of one topic, as the publisher needs it. */
export interface PublishPort {
  /** Whether a send can reach the server now. */
  readonly connected: boolean;
  /** The largest message the server takes, in bytes, headers included. A reconnect may change it either way. */
  readonly maxPayloadBytes: number;
  /** Sends an event once. The answer names the same `id`; an answer to any earlier send counts. */
  send(id: number, event: OutgoingEvent): void;
  /** Sends the first event of an atomic batch. The rest may follow after {@link PublishListener.opened}. */
  openBatch(batch: number, first: OutgoingEvent): void;
  /** Sends the rest of a batch, to be stored as one. The answer names the batch and its last event's sequence. */
  storeBatch(batch: number, rest: readonly OutgoingEvent[]): void;
  /** The sequence of the subject's last stored event; 0 if there is none. */
  lastSequence(subject: string): Promise<number>;
  /**
   * The sequence of an event if the stream holds it at the one place that is read. That is the subject's first event
   * after `afterSequence`, or its last event if `afterSequence` is undefined.
   * @throws JETSTREAM_REQUEST_FAILED if the server does not answer
   */
  findStored(subject: string, messageId: string, afterSequence?: number): Promise<number | undefined>;
  /**
   * True if the stream gave this sequence and holds no event there any more.
   * @throws JETSTREAM_REQUEST_FAILED if the server does not answer
   */
  hasDropped(sequence: number): Promise<boolean>;
  /** Ends the connection. No answer is reported afterwards. */
  close(): void;
}

/** What the publisher is told by its port. */
export interface PublishListener {
  /** The server answered the event or the batch with this id. */
  answered(id: number, answer: ServerAnswer): void;
  /** The server holds the batch's first event, and stores nothing of the batch before its last event arrives. */
  opened(batch: number): void;
  /** The connection is back. Everything sent before and not answered may be lost. */
  reconnected(): void;
  /** The connection is closed for good. Nothing is sent or answered any more. */
  ended(error: AggregateTransportError): void;
  /** The server drops what is sent to this subject: the user lacks the permission to publish there. */
  denied(subject: string): void;
}
