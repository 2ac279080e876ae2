import type { Delivery } from './delivery.js';

/** What the leader of the topic's stream says of it. */
export interface StreamState {
  /** When it was made: another time is another stream, although it has the same name. */
  readonly created: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /**
   * It holds an event that is older than itself, so it was restored from a backup. Its sequences mean the events they
   * meant before. nats-server 2.15 gives such a stream a new `created`; 2.10 does not.
   */
  readonly isRestored: boolean;
}

/** Hears one reader. Calls come in the order the server sent them. */
export interface FeedListener {
  delivered(event: Delivery): void;
  /** No event is waiting. The reader has delivered `delivered` events and has gone past stream sequence `through`. */
  idle(delivered: number, through: number): void;
  /** A pull ended with this many of its events not delivered. */
  pullEnded(unused: number): void;
  /** No server hears pulls of this reader (503): it is gone, or its making is not known everywhere yet. */
  unheard(): void;
  /** The reader is gone, or the server refused a pull. */
  lost(reason: string): void;
}

/** One reader on the server, with the subscription that hears it. */
export interface Feed {
  pull(request: { events: number; expiresMs: number; idleHeartbeatMs: number }): void;
  /**
   * What an operator has changed of the reader since it was made, paused included; undefined if nothing.
   * @throws JETSTREAM_REQUEST_FAILED if the reader is gone, or the server does not answer
   */
  findEdit(): Promise<string | undefined>;
  /** Ends the subscription and deletes the reader, without waiting. The listener hears nothing from here on. */
  close(): void;
}

export interface ReaderRequest {
  /** Used once and never again: the server must not mistake it for an earlier one. */
  readonly name: string;
  readonly fromSequence: number;
}

/**
 * A partition's ways to its topic's stream. A reader is a short-lived consumer without acks: it delivers the
 * partition's events from a sequence on, each once, numbered 1, 2, 3, …. What is sent while disconnected is lost.
 */
export interface ReaderPort {
  readonly connected: boolean;
  /**
   * Makes a reader.
   * @throws JETSTREAM_REQUEST_FAILED if the server refuses or does not answer; the reader may exist nevertheless
   */
  open(request: ReaderRequest, listener: FeedListener): Promise<Feed>;
  /** @throws JETSTREAM_REQUEST_FAILED if there is no stream, or its leader does not answer */
  stream(): Promise<StreamState>;
  /**
   * One event of any partition, from the stream's leader; undefined if the stream does not hold it.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  find(sequence: number): Promise<Delivery | undefined>;
  /**
   * The first event of an aggregate at or after this sequence, from the stream's leader; undefined if there is none.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  next(token: string, fromSequence: number): Promise<Delivery | undefined>;
  /**
   * How many events between two sequences, both excluded, an operator has purged on purpose.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  countPurged(after: number, before: number): number | Promise<number>;
  /** Ends its subscriptions. The connection is not its own and stays open. */
  close(): void;
}

/** What a partition hears of its connection. */
export interface ReaderConnectionListener {
  disconnected(): void;
  reconnected(): void;
}
