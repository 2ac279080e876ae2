import type { Clock } from '../../clock.js';
import { AggregateTransportError, describeError } from '../../errors.js';
import type { LogAt } from '../../log.js';
import { onAbort } from '../../on-abort.js';
import type {
  NatsConnectionFactory,
  NatsConnectionOptions,
  NatsConnectionSource,
} from '../clients/client-options.js';
import { ClientPort } from '../clients/client-port.js';
import { DIALECTS } from '../clients/dialects.js';
import { findClient } from '../clients/find-client.js';
import { isOpenConnection, type OpenNatsConnection } from '../clients/open-connection.js';
import type { NatsFailureCode } from '../port/nats-failure.js';
import type { NatsClientName, NatsPort } from '../port/nats-port.js';
import { describeServers } from './server-address.js';

/**
 * What we set unless the user does: never give up, and notice a half-open connection within six seconds.
 * `noAsyncTraces`: a stack trace for every request is most of what a request costs.
 */
const CONNECTION_DEFAULTS = {
  maxReconnectAttempts: -1,
  reconnectTimeWait: 100,
  reconnectJitter: 100,
  // A connection that breaks within its handshake keeps the client waiting for all of this time (20 s by itself).
  timeout: 3_000,
  pingInterval: 2_000,
  maxPingOut: 2,
  noAsyncTraces: true,
} satisfies NatsConnectionOptions;

/** The client's own default, for connections over TLS. */
const RECONNECT_JITTER_TLS_MS = 1_000;

export interface DialOptions {
  readonly name: string;
  readonly log: LogAt<'connection'>;
  /** Which client to use; undefined: the one that is installed. */
  readonly client?: NatsClientName | undefined;
  /** Calls the connecting off. */
  readonly signal?: AbortSignal | undefined;
  /** From 0 to 1, without 1. */
  readonly random: () => number;
  /** The caller has an option to wait for a server, and may be told of it. */
  readonly mayWait: boolean;
  /** For the time-outs of requests. */
  readonly clock: Clock;
}

/**
 * Connects a client with options, or takes a connection that is open, or has the caller's factory make one. With
 * `waitOnFirstConnect` it waits for a server until the signal aborts. A connection that was given open is never closed.
 * @throws CONNECTION_FAILED, with the client's own error as `cause`
 * @throws CLIENT_MISSING if options are given and no client is installed
 */
export async function openPort(source: NatsConnectionSource, call: DialOptions): Promise<NatsPort> {
  if (typeof source === 'function')
    return new ClientPort(await make(source, call), { ...call, isOwned: true });
  if (!isOpenConnection(source)) return dial(source, call);
  requireOpen(source, 'the connection of option connection');
  return new ClientPort(source, { ...call, isOwned: false });
}

async function dial(options: NatsConnectionOptions, call: DialOptions): Promise<NatsPort> {
  const { name, signal } = call;
  const { name: client, module, isGuess } = await findClient(call.client);
  if (isGuess) tellGuess(call.log);
  const wait = new DialWait(options, call);
  const all = { ...CONNECTION_DEFAULTS, name, ...options, reconnectDelayHandler: () => wait.nextMs() };
  // A value that is no function is left to the client, which names it.
  if (typeof (options.reconnectDelayHandler ?? wait.nextMs) !== 'function') {
    Object.assign(all, { reconnectDelayHandler: options.reconnectDelayHandler });
  }
  let connecting: Promise<OpenNatsConnection> | undefined;
  try {
    connecting = module.connect(all);
    const raw = await untilAborted(connecting, signal);
    wait.end();
    return new ClientPort(raw, { ...call, isOwned: true });
  } catch (cause) {
    // A connection that comes about after all is not used.
    connecting?.then((late) => late.close()).catch(() => undefined);
    throw failed(
      `a NATS server at ${describeServers(options)}, found ${reasonOf(cause, client)}; ` +
        `check the address, the credentials and that the server runs${call.mayWait ? ' (or set connection.waitOnFirstConnect)' : ''}`,
      cause,
    );
  }
}

let isGuessTold = false;

/** Said once in a process: a service has a connection for each topic. */
function tellGuess(log: LogAt<'connection'>): void {
  if (isGuessTold) return;
  isGuessTold = true;
  log.write(
    'client-guessed',
    {},
    'the NATS clients nats and @nats-io/transport-node are both installed: nats is used; choose with option client',
  );
}

async function make(factory: NatsConnectionFactory, { signal }: DialOptions): Promise<OpenNatsConnection> {
  const making = (async () => factory())();
  let made: unknown;
  try {
    made = await untilAborted(making, signal);
  } catch (cause) {
    making.then((late) => late.close()).catch(() => undefined);
    throw failed(
      `the function of option connection to make a connection, found ${describeError(cause)}; ` +
        'correct what it names',
      cause,
    );
  }
  const what = 'what the function of option connection has made';
  if (isOpenConnection(made)) return requireOpen(made, what);
  throw failed(
    `${what} to be a connection of nats or @nats-io/transport-node, found another value; correct it`,
  );
}

/** @throws CONNECTION_FAILED */
function requireOpen(connection: OpenNatsConnection, what: string): OpenNatsConnection {
  const found = connection.isClosed()
    ? 'that it is closed'
    : connection.isDraining()
      ? 'that it drains'
      : connection.info === undefined
        ? 'that it has lost its server'
        : undefined;
  if (found === undefined) return connection;
  throw failed(`${what} to be open, found ${found}; give one that is connected`);
}

function failed(expectedFound: string, cause?: unknown): AggregateTransportError {
  const more = cause === undefined ? undefined : { cause };
  return new AggregateTransportError('CONNECTION_FAILED', `expected ${expectedFound}`, more);
}

/** Says how long the client waits between its attempts, and ends its first ones when they are called off. */
class DialWait {
  readonly #baseMs: number;
  readonly #jitterMs: number;
  #isConnected = false;
  #hasFailed = false;

  constructor(
    private readonly options: NatsConnectionOptions,
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
      this.call.log.write(
        'reconnect-delay-invalid',
        { why: found },
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
const HINTS: Readonly<Partial<Record<NatsFailureCode, string>>> = {
  TIMEOUT:
    'no NATS server answered in time; a server that wants TLS from the first byte, or a client certificate, ' +
    'looks like this: see connection.tls',
  CONNECTION_REFUSED: 'no server listens there',
  AUTHORIZATION_VIOLATION: 'the server does not take these credentials',
  SERVER_OPTION_NA: 'connection.tls is set and the server has no TLS, or an option needs a newer server',
};
const TLS_TROUBLE = /certificate|tls|ssl|CERT_/i;

function reasonOf(cause: unknown, client: NatsClientName): string {
  const { code, message } = DIALECTS[client].failureOf(cause);
  const hint = HINTS[code];
  if (code !== 'OTHER') return `${code} (${message}${hint === undefined ? '' : `: ${hint}`})`;
  return TLS_TROUBLE.test(message)
    ? `${message} (the server wants TLS: see connection.tls, for instance caFile)`
    : message;
}
