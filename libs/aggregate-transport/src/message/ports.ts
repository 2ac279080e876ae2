import type { Delivery } from './delivery.js';

/** What the server says of a partition's consumer. */
export interface ConsumerState {
  /** Every event up to this stream sequence is settled. */
  readonly ackFloor: number;
  /** The highest stream sequence delivered so far. */
  readonly delivered: number;
  /** The number of deliveries so far. */
  readonly deliveredConsumerSequence: number;
  /** Events delivered and not settled. */
  readonly ackPending: number;
  /** Pull requests that wait at the server, whoever sent them. */
  readonly waitingPulls: number;
  /** Events it has still to deliver for the first time. */
  readonly pending: number;
}

/** What the server says of the topic's stream. */
export interface StreamState {
  /** When it was made: another time is another stream, whatever its name. */
  readonly created: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
}

/** What a feed hears. Calls come in the order the server sent them. */
export interface FeedListener {
  delivered(event: Delivery): void;
  /** Nothing to deliver; this is how many deliveries there were so far. */
  idle(deliveredConsumerSequence: number): void;
  /** A pull ended with this many of its events not delivered. */
  pullEnded(unused: number): void;
  /** The feed is worth nothing any more: the consumer is gone, its leader moved, or the server refused the pull. */
  lost(reason: string): void;
}

/** One subscription that pulls from a partition's consumer. */
export interface Feed {
  pull(request: { events: number; expiresMs: number; idleHeartbeatMs: number }): void;
  /** After this the listener hears nothing. */
  close(): void;
}

/**
 * A partition's consumer on the server: everything the ordered pull loop asks of it.
 * Anything sent while disconnected is lost, as with a real socket; the loop never relies on it.
 */
export interface ConsumerPort {
  readonly connected: boolean;
  /**
   * The server process that keeps the consumer, and alone, if this connection leads straight to it: while the id stays the
   * same, nothing is forgotten that it has confirmed, and it works through the acks of this connection in their order.
   * Undefined if that cannot be told, as in a cluster or behind a leaf node.
   */
  readonly serverId: string | undefined;
  /**
   * Which of the consumers made one after the other in each other's place is meant from now on. The first one is 0,
   * and meant until then.
   */
  use(generation: number): void;
  /**
   * The consumer, with whatever may change on it set to this process's options; undefined if there is none.
   * @throws JETSTREAM_REQUEST_FAILED if the server does not answer, or answers without a leader
   */
  find(): Promise<ConsumerState | undefined>;
  /** As {@link find}, but a consumer that does not exist is an error too. */
  state(): Promise<ConsumerState>;
  /** @throws JETSTREAM_REQUEST_FAILED if there is no stream, or the server does not answer */
  stream(): Promise<StreamState>;
  /** Makes the consumer, to begin with this sequence. */
  create(fromSequence: number): Promise<void>;
  /** Removes a consumer of another generation, if there is one. */
  remove(generation: number): Promise<void>;
  open(listener: FeedListener): Feed;
  /** Sends an ack. Given a number, {@link ConsumerListener.ackConfirmed} tells it when the server has the ack. */
  ack(event: { readonly sequence: number; readonly ackSubject: string }, number: number | undefined): void;
  /** Asks for a new delivery. The server ignores sequences it does not hold as unsettled. */
  nak(sequence: number, deliveredConsumerSequence: number): void;
  /** Resolves when the server has worked through all acks and naks sent before. */
  barrier(state: ConsumerState): Promise<void>;
  /** Makes the server deliver all unsettled events anew, however many: slower than a few naks, faster than many. */
  expireAll(): Promise<void>;
  /** Lets go of its subscriptions. The connection is not its own and stays open. */
  close(): void;
}

/** What a consumer's owner hears besides events. */
export interface ConsumerListener {
  ackConfirmed(number: number): void;
  /** The server has refused an ack: the user may not publish it. Told at the latest in the turn in which confirmations of later ones come. */
  ackRefused(): void;
  disconnected(): void;
  reconnected(): void;
}
