/**
 * An open connection of either client, as its owner hands it to this library: a `NatsConnection` of `nats` or of
 * `@nats-io/transport-node`, known by its form. It names no package, so that neither has to be installed.
 */
export interface OpenNatsConnection {
  /** What the server said of itself; undefined before the first connect. */
  readonly info?: object | undefined;
  /** Resolves when the connection is closed for good. */
  closed(): Promise<unknown>;
  /** Not called by this library for a connection that it did not open. */
  close(): Promise<void>;
  /** Hands a message to the client. */
  publish(subject: string, payload?: string | Uint8Array, options?: object): void;
  /** Hears the messages of a subject. */
  subscribe(
    subject: string,
    options?: object,
  ): {
    /** Ends it, at once or after so many messages. */
    unsubscribe(max?: number): void;
  };
  /** Resolves when the server has what was handed over so far. */
  flush(): Promise<void>;
  /** Tells of disconnects and reconnects. */
  status(): AsyncIterable<object>;
  /** The address of the server, for logs. */
  getServer(): string;
  /** True once it is closed for good. */
  isClosed(): boolean;
  /** True while it takes no new messages because it will close. */
  isDraining(): boolean;
}

const MEMBERS = [
  ...(['closed', 'close', 'publish', 'subscribe', 'flush', 'status'] as const),
  ...(['getServer', 'isClosed', 'isDraining'] as const),
] satisfies readonly (keyof OpenNatsConnection)[];

/** True for a connection of either client; never by its class, of which a process may have several. */
export function isOpenConnection(value: unknown): value is OpenNatsConnection {
  if (typeof value !== 'object' || value === null) return false;
  const given = value as Record<string, unknown>;
  return MEMBERS.every((name) => typeof given[name] === 'function');
}
