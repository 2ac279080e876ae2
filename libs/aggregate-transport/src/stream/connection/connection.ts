import { systemClock } from '../../clock.js';
import { AggregateTransportError, describeError, errorFields } from '../../errors.js';
import type { LogAt } from '../../log.js';
import type { NatsConnectionSource } from '../clients/client-options.js';
import type { ClientFrames } from '../port/client-frames.js';
import type { Denial } from '../port/nats-failure.js';
import type { NatsPort, PortStatus, SendOptions } from '../port/nats-port.js';
import { type DialOptions, openPort } from './dial.js';
import { type JetStreamPlace, OWN_JETSTREAM } from './jetstream-place.js';
import { MessagePieces, type TextMessage } from './message-pieces.js';
import { checkServer } from './check-server.js';
import { OLDEST_SERVER } from './server-version.js';

/** What a part of the transport wants to hear of its connection. */
export interface ConnectionListener {
  /** The socket is gone. What is sent from now on is lost. */
  disconnected?(): void;
  /** A new socket is up and the subscriptions are back. */
  reconnected?(): void;
  /** The server dropped what was sent to this subject: the user may not publish there. */
  publishDenied?(subject: string): void;
  /** What is lost without a permission that nothing depends on, and how to grant it; undefined for any other one. */
  lossWithout?(denial: Denial): string | undefined;
  /** The client has closed the connection for good. It never comes back. */
  ended?(error: AggregateTransportError): void;
}

/** How a connection is opened. */
export interface OpenOptions extends DialOptions {
  readonly jetStream: JetStreamPlace;
}

/** What a server takes unless its operator says otherwise. */
const DEFAULT_MAX_PAYLOAD_BYTES = 1_048_576;

/**
 * One connection to NATS and its ups and downs. Owned by the caller that opened it, who also closes it; the client's
 * connection under it is closed only if it was opened here. Its modes:
 *
 * - `up`: what is sent reaches the server.
 * - `away`: the socket is gone, and the client dials. Left for `up`.
 * - `ended`: the client has closed itself, as after two refusals of its credentials, or another owner has closed it.
 *   It never comes back.
 * - `closed`: its owner has closed it.
 */
export class Connection {
  readonly #listeners = new Set<ConnectionListener>();
  /** What was logged once and is not logged again. */
  readonly #said = new Set<string>();
  #mode: Mode = 'up';
  #lastMaxPayload = DEFAULT_MAX_PAYLOAD_BYTES;
  #answers = 0;
  #endedBy: string | undefined;
  #storingVersion: string | undefined;
  /** How the server last refused the credentials, and how many answers there had been. */
  #refusal: { readonly code: string; readonly answers: number } | undefined;
  /** What is used of the client beyond its public interface. */
  readonly frames: ClientFrames;
  /** What was sent as texts in this turn; undefined if the client takes no bytes. */
  readonly #pieces: MessagePieces | undefined;

  private constructor(
    readonly nats: NatsPort,
    private readonly name: string,
    private readonly log: LogAt<'connection'>,
    /** Where JetStream is for this user. */
    readonly jetStream: JetStreamPlace,
  ) {
    this.frames = nats.frames;
    const { socket } = this.frames;
    this.#pieces = socket === undefined ? undefined : new MessagePieces(socket);
    this.#noteInfo();
    nats.follow((status) => this.#hear(status));
    void nats.closed.then((cause) => this.#noteClosed(cause));
  }

  /**
   * @throws CONNECTION_FAILED, CLIENT_MISSING as {@link openPort}; with `signal`, when it aborts
   * @throws SERVER_TOO_OLD, JETSTREAM_UNAVAILABLE
   */
  static async open(
    source: NatsConnectionSource,
    name: string,
    log: LogAt<'connection'>,
    { jetStream = OWN_JETSTREAM, ...call }: Partial<OpenOptions> = {},
  ): Promise<Connection> {
    const { random = Math.random, mayWait = true, clock = systemClock, ...more } = call;
    const nats = await openPort(source, { ...more, name, log, random, mayWait, clock });
    try {
      checkServer(nats, jetStream);
    } catch (error) {
      await nats.close();
      throw error;
    }
    return new Connection(nats, name, log, jetStream);
  }

  get connected(): boolean {
    return this.#mode === 'up' && !this.nats.isClosed() && !this.nats.isDraining();
  }

  /** Why the client has closed the connection for good; undefined if it has not. */
  get endedBy(): string | undefined {
    return this.#endedBy;
  }

  /**
   * The largest message the server takes, in bytes, headers included. A reconnect may change it either way. While the
   * connection is away, it is what the last server took: the client itself has forgotten it.
   */
  get maxPayloadBytes(): number {
    return this.nats.info?.max_payload ?? this.#lastMaxPayload;
  }

  /** Names this connection to an operator: the process, and the number the server gave it. */
  get description(): string {
    return `${this.name}, process ${process.pid}, connection ${this.nats.info?.client_id ?? 0}`;
  }

  get serverVersion(): string {
    return this.nats.info?.version ?? 'unknown';
  }

  /** The domain that JetStream names in its answers, as far as it is known here. */
  get domain(): string | undefined {
    return this.jetStream.domain ?? this.nats.info?.domain;
  }

  /** What the servers that store can do. Elsewhere they are not the one that is connected, and name themselves later. */
  get storingVersion(): string {
    if (this.jetStream.option === undefined) return this.serverVersion;
    return this.#storingVersion ?? OLDEST_SERVER.join('.');
  }

  /** A stream says which version its server has; undefined before 2.11. */
  noteStoringVersion(version: string | undefined): void {
    this.#storingVersion = version ?? this.#storingVersion;
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

  /**
   * Sends a message once, to be answered at `inbox` and `id` if there is an id. It is in order with those of
   * {@link publish}, which must send the message if this gives false. That is so if
   * the client takes no bytes, if it would refuse this message, or if the message is too long for a piece.
   */
  publishText(message: TextMessage, inbox: string, id: string): boolean {
    const { info } = this.nats;
    if (this.#pieces === undefined || info?.headers !== true || !this.connected) return false;
    return message.size <= info.max_payload && this.#pieces.add(message, inbox, id);
  }

  /** Sends a message once. A message that the client refuses to send is logged, and counts as lost on its way. */
  publish(subject: string, body?: string | Uint8Array, options?: SendOptions): void {
    this.#pieces?.flush();
    try {
      this.nats.publish(subject, body, options);
    } catch (error) {
      const found = describeError(error);
      if (this.#noteSaid(found)) {
        const text = `connection "${this.name}": the client did not send a message: ${found} (said once)`;
        this.log.write('message-not-sent', { why: found }, text);
      }
    }
  }

  /** Safe to call twice. */
  async close(): Promise<void> {
    this.#listeners.clear();
    this.#enter('closed');
    await this.nats.close();
  }

  #denied(denial: Denial): void {
    const text = describeDenial(denial);
    if (this.#noteSaid(text)) {
      const fields = { subject: denial.subject, why: text };
      const loss = this.#lossWithout(denial);
      if (loss === undefined)
        this.log.write(
          'permission-denied',
          fields,
          `connection "${this.name}" reports ${text}; grant it (said once per subject, and of ${MAX_SAID} at most)`,
        );
      else
        this.log.write(
          'optional-permission-denied',
          fields,
          `connection "${this.name}" reports ${text}; ${loss} (said once)`,
        );
    }
    if (denial.operation === 'publish') this.#tell((listener) => listener.publishDenied?.(denial.subject));
  }

  #lossWithout(denial: Denial): string | undefined {
    for (const listener of this.#listeners) {
      const loss = listener.lossWithout?.(denial);
      if (loss !== undefined) return loss;
    }
    return undefined;
  }

  /**
   * Said once until JetStream answers again: a client that keeps dialling hears it at every attempt. What has expired
   * while it was connected is a violation when it dials again.
   */
  #refused(code: string): void {
    const refusal = this.#refusal;
    this.#refusal = { code, answers: this.#answers };
    if (refusal?.answers === this.#answers) return;
    this.log.write(
      'credentials-refused',
      { errorCode: code },
      `connection "${this.name}": the server does not take its credentials any more (${code}); ` +
        'give it valid ones (said once until they are taken again)',
    );
  }

  #noteGone(server: string): void {
    const text = `connection "${this.name}" to ${JSON.stringify(server)} is gone, reconnecting`;
    this.log.write('connection-gone', { server }, text);
  }

  #noteBack(server: string): void {
    const text = `connection "${this.name}" is back, on ${JSON.stringify(server)}`;
    this.log.write('connection-back', { server }, text);
  }

  #reported(why: string): void {
    this.log.write('connection-error', { why }, `connection "${this.name}" reports ${JSON.stringify(why)}`);
  }

  #noteClosed(cause: unknown): void {
    if (this.#mode === 'closed') return;
    this.#enter('ended');
    const refused =
      this.#refusal?.answers === this.#answers ? `; refused by the server: ${this.#refusal.code}` : '';
    const found =
      cause === undefined ? 'it was closed or drained from outside' : describeError(cause) + refused;
    this.#endedBy = found;
    const error = new AggregateTransportError(
      'CONNECTION_CLOSED',
      `expected connection "${this.name}" to come back by itself, found that the client has closed it for good ` +
        `(${found}); correct the cause and start the process again`,
      cause === undefined ? undefined : { cause },
    );
    this.log.write('connection-closed', errorFields(error), describeError(error));
    this.#tell((listener) => listener.ended?.(error));
  }

  #noteInfo(): void {
    this.#lastMaxPayload = this.nats.info?.max_payload ?? this.#lastMaxPayload;
  }

  /** Tells all listeners. One that fails is logged, and the others are told nevertheless. */
  #tell(tell: (listener: ConnectionListener) => void): void {
    for (const listener of [...this.#listeners]) {
      try {
        tell(listener);
      } catch (error) {
        const text = `connection "${this.name}": a listener failed: ${describeError(error)}`;
        this.log.write('listener-failed', errorFields(error), text, error);
      }
    }
  }

  /** Notes a text that is said once. False if it was said before, or too many were. */
  #noteSaid(text: string): boolean {
    if (this.#said.has(text) || this.#said.size >= MAX_SAID) return false;
    this.#said.add(text);
    return true;
  }

  #enter(mode: Mode): void {
    const allowed = MAY_ENTER_FROM[mode];
    if (!allowed.includes(this.#mode)) {
      throw new Error(
        `expected a connection to be ${allowed.join(' or ')} before ${mode}, found ${this.#mode}`,
      );
    }
    this.#mode = mode;
  }

  #hear(status: PortStatus): void {
    // The client hands out what it had noted before its end.
    if (this.#mode === 'closed' || this.#mode === 'ended') return;
    switch (status.kind) {
      case 'disconnected':
        // The client tells each attempt that ends after its handshake, as with refused credentials.
        if (this.#mode === 'away') break;
        this.#enter('away');
        this.#noteGone(status.server);
        this.#tell((listener) => listener.disconnected?.());
        break;
      case 'reconnected':
        // A client tells once for each attempt that its server had refused.
        if (this.#mode === 'up') break;
        this.#enter('up');
        this.#noteInfo();
        this.#noteBack(status.server);
        this.#tell((listener) => listener.reconnected?.());
        break;
      case 'error':
        if (CREDENTIAL_CODES.has(status.description)) this.#refused(status.description);
        else this.#reported(status.description);
        break;
      case 'denied':
        this.#denied(status.denial);
        break;
    }
  }
}

export function describeDenial({ operation, subject }: Denial): string {
  return `that the user lacks the permission to ${operation === 'publish' ? 'publish' : 'subscribe'} to "${subject}"`;
}

/** So many texts are said once; a subject for each aggregate could fill the log. */
const MAX_SAID = 10;

/** What a client says when the server refuses its credentials, in a handshake or while they are in use. */
const CREDENTIAL_CODES: ReadonlySet<string> = new Set([
  'AUTHORIZATION_VIOLATION',
  'AUTHENTICATION_EXPIRED',
  'AUTHENTICATION_TIMEOUT',
  'ACCOUNT_EXPIRED',
]);

type Mode = 'up' | 'away' | 'ended' | 'closed';

const MAY_ENTER_FROM: Readonly<Record<Mode, readonly Mode[]>> = {
  up: ['up', 'away'],
  away: ['up'],
  ended: ['up', 'away'],
  closed: ['up', 'away', 'ended', 'closed'],
};
