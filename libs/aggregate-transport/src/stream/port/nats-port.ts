import type { ClientFrames } from './client-frames.js';
import type { Denial, NatsFailure } from './nats-failure.js';
import type { NatsMessage } from './nats-message.js';

/** The clients this library can work with: the packages `nats` and `@nats-io/transport-node`. */
export type NatsClientName = 'nats' | 'nats-io';

/**
 * Called for every message, with null; or once with the reason why no more will come, and then without a message. Must
 * not throw.
 */
export type MessageCallback = (failure: NatsFailure | null, message: NatsMessage) => void;

export interface NatsSubscription {
  /** Safe to call twice, and after the connection is closed. */
  unsubscribe(): void;
}

/** What goes with a message. */
export interface SendOptions {
  readonly reply?: string;
  /** An encoded header block; see `encodeHeaderBlock`. */
  readonly headers?: Uint8Array | undefined;
}

export interface RequestOptions {
  /** In milliseconds, from 1. @default 1_000 */
  readonly timeoutMs?: number;
  readonly headers?: Uint8Array | undefined;
}

/** What the server says of itself, under its own names. */
export interface ServerInfo {
  readonly server_name?: string | undefined;
  readonly version: string;
  readonly max_payload: number;
  readonly client_id?: number | undefined;
  readonly headers?: boolean | undefined;
  readonly jetstream?: boolean | undefined;
  /** Of its JetStream. */
  readonly domain?: string | undefined;
  /** The name of its cluster, if it is in one. */
  readonly cluster?: string | undefined;
  readonly tls_required?: boolean | undefined;
}

/** What becomes of a connection. */
export type PortStatus =
  | { readonly kind: 'disconnected'; readonly server: string }
  | { readonly kind: 'reconnected'; readonly server: string }
  /** The server dropped what was sent, or refused a subscription. */
  | { readonly kind: 'denied'; readonly denial: Denial }
  | { readonly kind: 'error'; readonly description: string };

/**
 * One connection to NATS, whichever client made it: all that this library asks of a client. What a client throws or
 * rejects with comes out as a {@link NatsFailure}.
 */
export interface NatsPort {
  readonly client: NatsClientName;
  /** The client's own connection, for a user who asks for it. Nothing here uses it. */
  readonly raw: unknown;
  /** Undefined while there is no socket. */
  readonly info: ServerInfo | undefined;
  /** What the client offers beyond its public interface; undefined where the public way has to do. */
  readonly frames: ClientFrames;
  /** Resolves when the client has closed the connection for good, with the client's own error if there was one. */
  readonly closed: Promise<unknown>;
  /** It never comes back. */
  isClosed(): boolean;
  /** Its owner ends it: what is sent now may be lost. */
  isDraining(): boolean;
  /** The server's address. */
  getServer(): string;
  /**
   * Sends a message once.
   * @throws NatsFailure if the client does not send it: the connection is closed, or the message is too large
   */
  publish(subject: string, body?: string | Uint8Array, options?: SendOptions): void;
  /** Heard again after each reconnect. @throws NatsFailure if the connection is closed */
  subscribe(subject: string, listener: { readonly callback: MessageCallback }): NatsSubscription;
  /**
   * Sends a message and resolves with the first answer to it. All requests share one subscription.
   * @throws NatsFailure NO_RESPONDERS, TIMEOUT, PERMISSIONS_VIOLATION, CONNECTION_CLOSED, OTHER
   */
  request(subject: string, body?: string | Uint8Array, options?: RequestOptions): Promise<NatsMessage>;
  /** Resolves when the server has taken all that was sent before. @throws NatsFailure */
  flush(): Promise<void>;
  /** Calls back on every change, until the connection ends. */
  follow(callback: (status: PortStatus) => void): void;
  /** A subject for answers that no other connection has; it begins with the connection's inbox prefix. */
  createInbox(): string;
  /**
   * Ends what is under way here. Closes the client's connection if the library has opened it, and leaves it open
   * otherwise. Safe to call twice.
   */
  close(): Promise<void>;
}
