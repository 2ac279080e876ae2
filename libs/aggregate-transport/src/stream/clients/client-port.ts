import type { Clock } from '../../clock.js';
import type { ClientFrames } from '../port/client-frames.js';
import type { NatsMessage } from '../port/nats-message.js';
import type {
  MessageCallback,
  NatsClientName,
  NatsPort,
  NatsSubscription,
  PortStatus,
  RequestOptions,
  SendOptions,
  ServerInfo,
} from '../port/nats-port.js';
import { RequestInbox } from '../port/request-inbox.js';
import { uniqueName } from '../port/unique-name.js';
import type { Dialect } from './dialect.js';
import { dialectOf } from './dialects.js';
import { framesOf } from './frames-of.js';
import type { OpenNatsConnection } from './open-connection.js';

/** What both clients' connections are, as far as this library calls them. */
interface ClientConnection extends OpenNatsConnection {
  readonly info?: ServerInfo | undefined;
  readonly options?: { readonly inboxPrefix?: unknown };
  subscribe(
    subject: string,
    options: { readonly callback: (error: Error | null, message: NatsMessage) => void },
  ): { unsubscribe(): void };
}

/** Of a client's headers object, publishing uses `encode` and nothing else. */
class EncodedHeaders {
  constructor(private readonly block: Uint8Array) {}

  encode(): Uint8Array {
    return this.block;
  }
}

const DEFAULT_INBOX_PREFIX = '_INBOX';

export interface ClientPortOptions {
  /** The library has opened the connection, and closes it. */
  readonly isOwned: boolean;
  readonly clock: Clock;
}

/**
 * The port over a connection of either client. The two differ in how they say what happens, which a {@link Dialect}
 * reads; their calls are the same.
 */
export class ClientPort implements NatsPort {
  readonly frames: ClientFrames;
  readonly closed: Promise<unknown>;
  readonly #connection: ClientConnection;
  readonly #dialect: Dialect;
  readonly #requests: RequestInbox;
  readonly #inboxPrefix: string;
  readonly #followers = new Set<(status: PortStatus) => void>();
  #endFollowing: () => void = () => undefined;
  #isClosed = false;

  constructor(
    readonly raw: OpenNatsConnection,
    private readonly options: ClientPortOptions,
  ) {
    const connection = raw as ClientConnection;
    this.#connection = connection;
    this.#dialect = dialectOf(raw);
    this.frames = framesOf(raw);
    // Both clients keep their options there.
    const { inboxPrefix } = connection.options ?? {};
    this.#inboxPrefix = typeof inboxPrefix === 'string' ? inboxPrefix : DEFAULT_INBOX_PREFIX;
    this.#requests = new RequestInbox(this, options.clock);
    this.closed = connection.closed().then((error) => {
      this.#requests.close('the connection was closed', error);
      return error;
    });
    void this.#follow();
  }

  get client(): NatsClientName {
    return this.#dialect.client;
  }

  get info(): ServerInfo | undefined {
    return this.#connection.info;
  }

  isClosed(): boolean {
    return this.#isClosed || this.#connection.isClosed();
  }

  isDraining(): boolean {
    return this.#connection.isDraining();
  }

  getServer(): string {
    return this.#connection.getServer();
  }

  publish(subject: string, body?: string | Uint8Array, { reply, headers }: SendOptions = {}): void {
    const more = {
      ...(reply === undefined ? {} : { reply }),
      ...(headers === undefined ? {} : { headers: new EncodedHeaders(headers) }),
    };
    try {
      this.#connection.publish(subject, body, more);
    } catch (error) {
      throw this.#dialect.failureOf(error);
    }
  }

  subscribe(subject: string, { callback }: { readonly callback: MessageCallback }): NatsSubscription {
    const { failureOf } = this.#dialect;
    const connection = this.#connection;
    try {
      const subscription = connection.subscribe(subject, {
        callback: (error, message) => callback(error === null ? null : failureOf(error), message),
      });
      return {
        unsubscribe: () => {
          if (!connection.isClosed()) subscription.unsubscribe();
        },
      };
    } catch (error) {
      throw failureOf(error);
    }
  }

  request(subject: string, body?: string | Uint8Array, options?: RequestOptions): Promise<NatsMessage> {
    return this.#requests.request(subject, body, options);
  }

  async flush(): Promise<void> {
    try {
      await this.#connection.flush();
    } catch (error) {
      throw this.#dialect.failureOf(error);
    }
  }

  follow(callback: (status: PortStatus) => void): void {
    this.#followers.add(callback);
  }

  createInbox(): string {
    return `${this.#inboxPrefix}.${uniqueName()}`;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#requests.close('this library has left the connection');
    this.#isClosed = true;
    this.#followers.clear();
    this.#endFollowing();
    if (this.options.isOwned && !this.#connection.isClosed()) await this.#connection.close();
  }

  async #follow(): Promise<void> {
    const statuses = this.#connection.status();
    // Of a connection that outlives this port. Both clients' iterators can be stopped so.
    this.#endFollowing = () => (statuses as { stop?: () => void }).stop?.();
    for await (const said of statuses) {
      const status = this.#dialect.statusOf(said);
      if (status === undefined) continue;
      if (status.kind === 'denied') this.#requests.denied(status.denial);
      for (const callback of [...this.#followers]) callback(status);
    }
  }
}
