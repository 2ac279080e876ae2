/**
 * An open connection of either client, as its owner hands it to this library: a `NatsConnection` of `nats` or of
 * `@nats-io/transport-node`, known by its form. It names no package, so that neither has to be installed.
 */
export interface OpenNatsConnection {
  readonly info?: object | undefined;
  closed(): Promise<unknown>;
  close(): Promise<void>;
  publish(subject: string, payload?: string | Uint8Array, options?: object): void;
  subscribe(subject: string, options?: object): { unsubscribe(max?: number): void };
  flush(): Promise<void>;
  status(): AsyncIterable<object>;
  getServer(): string;
  isClosed(): boolean;
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
