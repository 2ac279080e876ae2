import type { OpenNatsConnection } from './open-connection.js';

/** TLS as both clients take it. */
export interface NatsTlsOptions {
  /** The server wants TLS from the first byte. */
  handshakeFirst?: boolean | undefined;
  certFile?: string | undefined;
  cert?: string | undefined;
  caFile?: string | undefined;
  ca?: string | undefined;
  keyFile?: string | undefined;
  key?: string | undefined;
  rejectUnauthorized?: boolean | undefined;
}

/** Answers the server's nonce with credentials; made by `credsAuthenticator` and its like of either client. */
export type NatsAuthenticator = (nonce?: string) => unknown;

/**
 * Options that are passed to the client: those that `nats` and `@nats-io/transport-node` share. The type names neither
 * package, and the `ConnectionOptions` of either can be given.
 */
export interface NatsConnectionOptions {
  authenticator?: NatsAuthenticator | NatsAuthenticator[] | undefined;
  debug?: boolean | undefined;
  ignoreAuthErrorAbort?: boolean | undefined;
  ignoreClusterUpdates?: boolean | undefined;
  inboxPrefix?: string | undefined;
  maxPingOut?: number | undefined;
  maxReconnectAttempts?: number | undefined;
  name?: string | undefined;
  noAsyncTraces?: boolean | undefined;
  noEcho?: boolean | undefined;
  noRandomize?: boolean | undefined;
  pass?: string | undefined;
  pedantic?: boolean | undefined;
  pingInterval?: number | undefined;
  port?: number | undefined;
  reconnect?: boolean | undefined;
  /** Gives the wait before the next attempt to reconnect, in milliseconds. */
  reconnectDelayHandler?: (() => number) | undefined;
  reconnectJitter?: number | undefined;
  reconnectJitterTLS?: number | undefined;
  reconnectTimeWait?: number | undefined;
  /** Of `@nats-io/transport-node` alone. */
  reconnectToServer?: ((...args: never[]) => unknown) | undefined;
  resolve?: boolean | undefined;
  servers?: string | string[] | undefined;
  timeout?: number | undefined;
  tls?: NatsTlsOptions | null | undefined;
  token?: string | undefined;
  user?: string | undefined;
  verbose?: boolean | undefined;
  waitOnFirstConnect?: boolean | undefined;
}

/** Makes a connection each time that the library asks for one. The library closes what it was given. */
export type NatsConnectionFactory = () => OpenNatsConnection | Promise<OpenNatsConnection>;

/** Where a connection comes from. */
export type NatsConnectionSource = NatsConnectionOptions | OpenNatsConnection | NatsConnectionFactory;
