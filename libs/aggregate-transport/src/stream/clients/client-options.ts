import type { OpenNatsConnection } from './open-connection.js';

/** TLS as both clients take it. */
export interface NatsTlsOptions {
  /** The server wants TLS from the first byte. */
  handshakeFirst?: boolean | undefined;
  /** Path of the client's certificate, in PEM. */
  certFile?: string | undefined;
  /** The client's certificate itself, in PEM; instead of `certFile`. */
  cert?: string | undefined;
  /** Path of the authorities that the server's certificate is checked against, in PEM. Default: those of Node. */
  caFile?: string | undefined;
  /** The authorities themselves, in PEM; instead of `caFile`. */
  ca?: string | undefined;
  /** Path of the client's private key, in PEM. */
  keyFile?: string | undefined;
  /** The client's private key itself, in PEM; instead of `keyFile`. It is never logged. */
  key?: string | undefined;
  /** `false` accepts any certificate of the server, so any host may pose as it. Default: true. */
  rejectUnauthorized?: boolean | undefined;
}

/** Answers the server's nonce with credentials; made by `credsAuthenticator` and its like of either client. */
export type NatsAuthenticator = (nonce?: string) => unknown;

/**
 * Options that are passed to the client: those that `nats` and `@nats-io/transport-node` share. The type names neither
 * package, and the `ConnectionOptions` of either can be given.
 */
export interface NatsConnectionOptions {
  /**
   * Answers the server's challenge: credentials files, NKeys, JWT. Made by a function of your client. Several are
   * asked in turn.
   */
  authenticator?: NatsAuthenticator | NatsAuthenticator[] | undefined;
  /** Prints every protocol message to the console, payloads included. Never in production. */
  debug?: boolean | undefined;
  /** Keep reconnecting when the server refuses the login twice in a row. Default: the connection closes for good. */
  ignoreAuthErrorAbort?: boolean | undefined;
  /** Use only the addresses of `servers`, not those that the cluster tells. */
  ignoreClusterUpdates?: boolean | undefined;
  /**
   * First part of the subjects that answers arrive at; the user must be allowed to subscribe there. @default
   * '_INBOX'
   */
  inboxPrefix?: string | undefined;
  /** Unanswered pings after which the connection counts as broken. @default 2 */
  maxPingOut?: number | undefined;
  /** Attempts per server to reconnect. @default -1, which never gives up; the clients' own is 10 */
  maxReconnectAttempts?: number | undefined;
  /** The name of the connection in the server's monitoring. Default: one that names the topic. */
  name?: string | undefined;
  /** Leaves the caller's stack out of errors of requests, which is much cheaper. @default true */
  noAsyncTraces?: boolean | undefined;
  /** The server does not send this connection what it has published itself. */
  noEcho?: boolean | undefined;
  /** Try `servers` in the order given. Default: in a random one, which spreads clients over a cluster. */
  noRandomize?: boolean | undefined;
  /** The password of `user`. It is never logged. */
  pass?: string | undefined;
  /** Asks the server for stricter checks of the protocol. For tests of clients. */
  pedantic?: boolean | undefined;
  /** Milliseconds between two pings; a dead connection is noticed after `maxPingOut` of them. @default 2_000 */
  pingInterval?: number | undefined;
  /** Port on the local host, where `servers` is not used. */
  port?: number | undefined;
  /** `false` closes the connection for good when it breaks. @default true */
  reconnect?: boolean | undefined;
  /** Gives the wait before the next attempt to reconnect, in milliseconds. */
  reconnectDelayHandler?: (() => number) | undefined;
  /** At most so many milliseconds are added to the wait at random. @default 100 */
  reconnectJitter?: number | undefined;
  /** The same for connections with TLS. @default 1_000 */
  reconnectJitterTLS?: number | undefined;
  /** Milliseconds to wait before a server is tried again. @default 100 */
  reconnectTimeWait?: number | undefined;
  /** Of `@nats-io/transport-node` alone. */
  reconnectToServer?: ((...args: never[]) => unknown) | undefined;
  /** Look the hosts up and try each of their addresses. Default: true. */
  resolve?: boolean | undefined;
  /** Addresses, in place of those in `servers` of the module. */
  servers?: string | string[] | undefined;
  /** Milliseconds that one attempt to connect may take. @default 3_000 */
  timeout?: number | undefined;
  /** TLS to the server; `null` or undefined takes what the server and the address ask for. */
  tls?: NatsTlsOptions | null | undefined;
  /** A token in place of a user and password. It is never logged. */
  token?: string | undefined;
  /** The user that connects. */
  user?: string | undefined;
  /** The server confirms every protocol message. For tests of clients. */
  verbose?: boolean | undefined;
  /**
   * Wait for a server that is away at the start, until it comes. Otherwise the start-up fails with
   * CONNECTION_FAILED.
   */
  waitOnFirstConnect?: boolean | undefined;
}

/** Makes a connection each time that the library asks for one. The library closes what it was given. */
export type NatsConnectionFactory = () => OpenNatsConnection | Promise<OpenNatsConnection>;

/** Where a connection comes from. */
export type NatsConnectionSource = NatsConnectionOptions | OpenNatsConnection | NatsConnectionFactory;
