import type { ServerAnswer } from './server-answer.js';
import type { OutgoingEvent } from '../message/prepare.js';

/** The way to one topic's stream, as the sequencer sees it. */
export interface PublishPort {
  readonly connected: boolean;
  /** Sends once. The answer, if one comes, names the same id; an answer to any earlier send counts. */
  send(id: number, event: OutgoingEvent): void;
  /** Sends the first event of an atomic batch. {@link PublishListener.opened} tells that the rest may follow. */
  openBatch(batch: number, first: OutgoingEvent): void;
  /** Sends the rest of a batch and asks for all of it to be stored. The answer names the batch, and its last event's sequence. */
  storeBatch(batch: number, rest: readonly OutgoingEvent[]): void;
  /** The sequence of the aggregate's last stored event, 0 if it has none. */
  lastSequence(subject: string): Promise<number>;
  /**
   * Whether the stream holds this event: looks at the aggregate's first event after `afterSequence`,
   * or at its last one. Resolves with its sequence, or undefined.
   * @throws JETSTREAM_REQUEST_FAILED if the server does not answer
   */
  findStored(subject: string, messageId: string, afterSequence?: number): Promise<number | undefined>;
  close(): void;
}

export interface PublishListener {
  answered(id: number, answer: ServerAnswer): void;
  /** The server holds the batch's first event and stores nothing before the last one. */
  opened(batch: number): void;
  reconnected(): void;
  /** Nothing that is sent to this subject is taken in: the user may not publish there. */
  denied(subject: string): void;
}
