import { connect, type ConnectionOptions, type NatsConnection, NatsError } from 'nats';
import { AggregateTransportError, describeError } from '../../errors.js';
import type { Log } from '../../log.js';
import { isServerAtLeast, OLDEST_SERVER } from './server-version.js';

/** What a part of the transport wants to hear of its connection. */
export interface ConnectionListener {
  /** The socket is gone. What is sent from now on is lost. */
  disconnected?(): void;
  /** A new socket is up and the subscriptions are back. */
  reconnected?(): void;
  /** The server dropped what was sent to this subject: the user may not publish there. */
  publishDenied?(subject: string): void;
}

/**
 * What we set unless the user does: never give up, and notice a half-open connection within six seconds.
 * `noAsyncTraces`: a stack trace for every request is most of what a request costs.
 */
export const CONNECTION_DEFAULTS = {
  maxReconnectAttempts: -1,
  reconnectTimeWait: 100,
  reconnectJitter: 100,
  // A connection that breaks within its handshake keeps the client waiting for all of this time (20 s by itself).
  timeout: 3_000,
  pingInterval: 2_000,
  maxPingOut: 2,
  noAsyncTraces: true,
} satisfies ConnectionOptions;

/** What a server takes unless its operator says otherwise. */
const DEFAULT_MAX_PAYLOAD_BYTES = 1_048_576;

/**
 * One connection to NATS and its ups and downs. Owned by the caller that opened it, who also closes it.
 */
export class Connection {
  readonly #listeners = new Set<ConnectionListener>();
  readonly #denials = new Set<string>();
  #connected = true;
  #answers = 0;

  private constructor(
    readonly nats: NatsConnection,
    private readonly name: string,
    private readonly log: Log,
  ) {
    void this.#follow();
  }

  /**
   * @throws CONNECTION_FAILED, with the client's own error as `cause`
   * @throws SERVER_TOO_OLD, JETSTREAM_UNAVAILABLE
   */
  static async open(options: ConnectionOptions, name: string, log: Log): Promise<Connection> {
    let nats: NatsConnection;
    try {
      nats = await connect({ ...CONNECTION_DEFAULTS, name, ...options });
    } catch (cause) {
      throw new AggregateTransportError(
        'CONNECTION_FAILED',
        `expected a NATS server at ${serversOf(options)}, found ${reasonOf(cause)}; ` +
          'check the address, the credentials and that the server runs (or set connection.waitOnFirstConnect)',
        { cause },
      );
    }
    try {
      checkServer(nats);
    } catch (error) {
      await nats.close();
      throw error;
    }
    return new Connection(nats, name, log);
  }

  get connected(): boolean {
    return this.#connected && !this.nats.isClosed();
  }

  /** The largest message the server takes, in bytes, headers included. A reconnect may change it. */
  get maxPayloadBytes(): number {
    return this.nats.info?.max_payload ?? DEFAULT_MAX_PAYLOAD_BYTES;
  }

  /** Names this connection to an operator: the process, and the number the server gave it. */
  get description(): string {
    return `${this.name}, process ${process.pid}, connection ${this.nats.info?.client_id ?? 0}`;
  }

  get serverVersion(): string {
    return this.nats.info?.version ?? 'unknown';
  }

  /** Answers that JetStream has given, errors of single streams and keys included. A 503 is none. */
  get answers(): number {
    return this.#answers;
  }

  noteAnswer(): void {
    this.#answers++;
  }

  listen(listener: ConnectionListener): void {
    this.#listeners.add(listener);
  }

  forget(listener: ConnectionListener): void {
    this.#listeners.delete(listener);
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    this.#listeners.clear();
    if (!this.nats.isClosed()) await this.nats.close();
  }

  #denied(denial: Denial): void {
    const text = describeDenial(denial);
    if (!this.#denials.has(text) && this.#denials.size < MAX_LOGGED_DENIALS) {
      this.#denials.add(text);
      this.log.error(
        `connection "${this.name}" reports ${text}; grant it ` +
          `(said once per subject, and of ${MAX_LOGGED_DENIALS} at most)`,
      );
    }
    if (denial.operation !== 'publish') return;
    for (const listener of this.#listeners) listener.publishDenied?.(denial.subject);
  }

  async #follow(): Promise<void> {
    for await (const status of this.nats.status()) {
      const data = JSON.stringify(status.data);
      switch (status.type as string) {
        case 'disconnect':
          this.#connected = false;
          this.log.warn(`connection "${this.name}" to ${data} is gone, reconnecting`);
          for (const listener of this.#listeners) listener.disconnected?.();
          break;
        case 'reconnect':
          this.#connected = true;
          this.log.info(`connection "${this.name}" is back, on ${data}`);
          for (const listener of this.#listeners) listener.reconnected?.();
          break;
        case 'error':
          if (status.permissionContext === undefined) {
            this.log.error(`connection "${this.name}" reports ${data}`);
          } else this.#denied(status.permissionContext);
          break;
        default:
      }
    }
  }
}

/** A permission the server refused, as the client tells it. */
export interface Denial {
  readonly operation: string;
  readonly subject: string;
}

export function describeDenial({ operation, subject }: Denial): string {
  return `that the user lacks the permission to ${operation === 'publish' ? 'publish' : 'subscribe'} to "${subject}"`;
}

/** Said of so many subjects; an aggregate each could fill the log. */
const MAX_LOGGED_DENIALS = 10;

function checkServer(nats: NatsConnection): void {
  const version = nats.info?.version ?? '0.0.0';
  if (!isServerAtLeast(version, OLDEST_SERVER)) {
    throw new AggregateTransportError(
      'SERVER_TOO_OLD',
      `expected nats-server ${OLDEST_SERVER.slice(0, 2).join('.')} or newer, found ${version}; upgrade the server`,
    );
  }
  if (nats.info?.jetstream !== true) {
    throw new AggregateTransportError(
      'JETSTREAM_UNAVAILABLE',
      `expected a server with JetStream, found ${version} without it; start nats-server with -js or a jetstream block`,
    );
  }
}

function serversOf(options: ConnectionOptions): string {
  const servers = [options.servers ?? '127.0.0.1:4222'].flat();
  return servers.map((server) => server.replace(/\/\/[^@/]*@/, '//')).join(', ');
}

function reasonOf(cause: unknown): string {
  return cause instanceof NatsError
    ? `${cause.code} (${cause.chainedError?.message ?? cause.message})`
    : describeError(cause);
}
