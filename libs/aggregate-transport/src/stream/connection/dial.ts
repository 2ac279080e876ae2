import { connect, type ConnectionOptions, type NatsConnection, NatsError } from 'nats';
import { AggregateTransportError, describeError } from '../../errors.js';
import type { Log } from '../../log.js';
import { onAbort } from '../../on-abort.js';
import { describeServers } from './server-address.js';

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

/** The client's own default, for connections over TLS. */
const RECONNECT_JITTER_TLS_MS = 1_000;

export interface DialOptions {
  readonly name: string;
  readonly log: Log;
  /** Calls the connecting off. */
  readonly signal: AbortSignal | undefined;
  /** From 0 to 1, without 1. */
  readonly random: () => number;
  /** The caller has an option to wait for a server, and may be told of it. */
  readonly mayWait: boolean;
}

/**
 * Connects a client. With `waitOnFirstConnect` it waits for a server until the signal aborts.
 * @throws CONNECTION_FAILED, with the client's own error as `cause`
 */
export async function dial(options: ConnectionOptions, call: DialOptions): Promise<NatsConnection> {
  const { name, signal } = call;
  const wait = new DialWait(options, call);
  const all = { ...CONNECTION_DEFAULTS, name, ...options, reconnectDelayHandler: () => wait.nextMs() };
  // A value that is no function is left to the client, which names it.
  if (typeof (options.reconnectDelayHandler ?? wait.nextMs) !== 'function') {
    Object.assign(all, { reconnectDelayHandler: options.reconnectDelayHandler });
  }
  let connecting: Promise<NatsConnection> | undefined;
  try {
    connecting = connect(all);
    const nats = await untilAborted(connecting, signal);
    wait.end();
    return nats;
  } catch (cause) {
    // A connection that comes about after all is not used.
    connecting?.then((late) => late.close()).catch(() => undefined);
    throw new AggregateTransportError(
      'CONNECTION_FAILED',
      `expected a NATS server at ${describeServers(options)}, found ${reasonOf(cause)}; ` +
        `check the address, the credentials and that the server runs${call.mayWait ? ' (or set connection.waitOnFirstConnect)' : ''}`,
      { cause },
    );
  }
}

/** Says how long the client waits between its attempts, and ends its first ones when they are called off. */
class DialWait {
  readonly #baseMs: number;
  readonly #jitterMs: number;
  #isConnected = false;
  #hasFailed = false;

  constructor(
    private readonly options: ConnectionOptions,
    private readonly call: DialOptions,
  ) {
    this.#baseMs = options.reconnectTimeWait ?? CONNECTION_DEFAULTS.reconnectTimeWait;
    this.#jitterMs = options.tls
      ? (options.reconnectJitterTLS ?? RECONNECT_JITTER_TLS_MS)
      : (options.reconnectJitter ?? CONNECTION_DEFAULTS.reconnectJitter);
  }

  /** The first attempts are over. */
  end(): void {
    this.#isConnected = true;
  }

  /** @throws the signal's reason, which ends the client's first attempts */
  nextMs(): number {
    if (!this.#isConnected) this.call.signal?.throwIfAborted();
    const own = this.#ownMs();
    return own ?? this.#baseMs + Math.floor(this.call.random() * (this.#jitterMs + 1));
  }

  /** What the user's handler says. An exception in there, or nonsense, would end the client, or keep it from dialling. */
  #ownMs(): number | undefined {
    const { reconnectDelayHandler } = this.options;
    if (reconnectDelayHandler === undefined) return undefined;
    let found: string;
    try {
      const ms: unknown = reconnectDelayHandler();
      if (typeof ms === 'number' && ms >= 0 && Number.isFinite(ms)) return ms;
      found = `a value of type ${typeof ms}`;
    } catch (error) {
      found = describeError(error);
    }
    if (!this.#hasFailed) {
      this.call.log.error(
        `connection "${this.call.name}": expected connection.reconnectDelayHandler to give milliseconds, ` +
          `found ${found}; the default is used instead (said once)`,
      );
    }
    this.#hasFailed = true;
    return undefined;
  }
}

function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    const unwatch = onAbort(signal, abort);
    void work.then(resolve, reject).finally(unwatch);
  });
}

/** What the client's own text leaves out. */
const HINTS: Readonly<Record<string, string>> = {
  TIMEOUT:
    'no NATS server answered in time; a server that wants TLS from the first byte, or a client certificate, ' +
    'looks like this: see connection.tls',
  CONNECTION_REFUSED: 'no server listens there',
  AUTHORIZATION_VIOLATION: 'the server does not take these credentials',
  SERVER_OPTION_NA: 'connection.tls is set and the server has no TLS, or an option needs a newer server',
};
const TLS_TROUBLE = /certificate|tls|ssl|CERT_/i;

function reasonOf(cause: unknown): string {
  if (cause instanceof NatsError) {
    const { code, chainedError, message } = cause;
    const hint = HINTS[code];
    return `${code} (${chainedError?.message ?? message}${hint === undefined ? '' : `: ${hint}`})`;
  }
  const text = describeError(cause);
  return TLS_TROUBLE.test(text)
    ? `${text} (the server wants TLS: see connection.tls, for instance caFile)`
    : text;
}
