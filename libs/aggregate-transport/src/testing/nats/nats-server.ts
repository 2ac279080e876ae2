import { randomBytes } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AggregateTransportError } from '../../errors.js';
import { findNatsServer } from './nats-binary.js';
import { reasonOf } from './nats-download.js';
import { freePorts, NatsProcess, readServerInfo } from './nats-process.js';

/** How {@link startNatsServer} starts its server. Any of these forces a process of our own. */
export interface StartNatsServerOptions {
  /** A minor version such as `2.10`, or a full one; see `findNatsServer`. */
  readonly version?: string;
  /** The client port on 127.0.0.1. Default: a free one. */
  readonly port?: number;
  /** The JetStream store. It stays after `stop()`. Default: a temporary folder, which `stop()` removes. */
  readonly storeDir?: string;
  /**
   * Text for the server's configuration file. It cannot change address, port, name and store. A `jetstream` block
   * in it replaces the limits of {@link startNatsServer}.
   */
  readonly config?: string;
  /** Where the server's log is appended. Default: a file that `stop()` removes. */
  readonly logFile?: string;
}

interface Launch {
  readonly binary: string;
  readonly name: string;
  /** Holds what is ours alone: the configuration file, and log and store unless they were given. */
  readonly ownFolder: string;
  readonly config: string;
  readonly logFile: string;
}

interface Identity {
  readonly url: string;
  readonly port: number;
  readonly version: string;
  /** Unknown for an external server. */
  readonly storeDir: string | undefined;
}

const STOP_WITHIN_MS = 5_000;
const EXTERNAL_INFO_WITHIN_MS = 5_000;
const FREE_PORT_ATTEMPTS = 3;
const PORT_ATTEMPTS = 5;
const PORT_RETRY_AFTER_MS = 200;
const DEFAULT_NATS_PORT = 4222;
/** Streams reserve their `max_bytes`. By default the server refuses them on a disk that is nearly full. */
const ROOM = 'jetstream { max_file_store: 1TB, max_memory_store: 1TB }';
/** What Linux and macOS, then Windows, say of a port that another process has. */
const PORT_TAKEN = /address already in use|Only one usage of each socket address/;

/**
 * A nats-server with JetStream for tests and demos: a process of our own, or the external server of `NATS_URL`.
 * It keeps its url over every stop and start. What it stores survives `kill()`, `restart()` and `start()`.
 */
export class NatsServer implements AsyncDisposable {
  readonly #identity: Identity;
  readonly #launch: Launch | undefined;
  #process: NatsProcess | undefined;

  /** @internal Use {@link startNatsServer}. Without `launch` the server is external. */
  constructor(identity: Identity, launch?: Launch) {
    this.#identity = identity;
    this.#launch = launch;
  }

  /** Where clients connect, such as `nats://127.0.0.1:4222`; for an external server the text of `NATS_URL`. */
  get url(): string {
    return this.#identity.url;
  }

  /** The client port. */
  get port(): number {
    return this.#identity.port;
  }

  /** Three parts, such as `2.15.1`. */
  get version(): string {
    return this.#identity.version;
  }

  /** The JetStream store; unknown for an external server. */
  get storeDir(): string | undefined {
    return this.#identity.storeDir;
  }

  /** Whether the server is external: it can be used but not killed, frozen or started. */
  get external(): boolean {
    return this.#launch === undefined;
  }

  /** The process id while our own process runs. */
  get pid(): number | undefined {
    return this.#process?.ending === undefined ? this.#process?.pid : undefined;
  }

  /**
   * Starts the server on its port and store and waits until it serves JetStream; nothing if it runs. After
   * `stop()` a store that was temporary is empty.
   *
   * @throws AggregateTransportError `NATS_SERVER_UNAVAILABLE` with the server's own last lines if it does not come
   *   up within 10 s, or if it is external.
   */
  async start(): Promise<void> {
    const launch = this.#own('start');
    if (this.pid !== undefined) return;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#run(launch);
        return;
      } catch (cause) {
        // While the server was away, another process may have had its port for a moment.
        if (attempt < PORT_ATTEMPTS && PORT_TAKEN.test(reasonOf(cause))) {
          await delay(PORT_RETRY_AFTER_MS);
          continue;
        }
        const found = `expected nats-server ${this.version} on port ${this.port}, found: ${reasonOf(cause)}`;
        const remedy = 'Correct the configuration, or free what it asks for.';
        throw new AggregateTransportError('NATS_SERVER_UNAVAILABLE', `${found}\n${remedy}`, { cause });
      }
    }
  }

  /**
   * Ends the process in good order, with SIGKILL after 5 s, and removes what was temporary. It may be called
   * again, also after `kill()` or a crash. An external server is left alone.
   */
  async stop(): Promise<void> {
    if (this.#launch === undefined) return;
    await this.#process?.end('SIGTERM', STOP_WITHIN_MS);
    await rm(this.#launch.ownFolder, { recursive: true, force: true });
  }

  /**
   * Ends the process as a crash would (SIGKILL), waits until it is gone and keeps the store.
   *
   * @throws AggregateTransportError `NATS_SERVER_UNAVAILABLE` if the server is external; so do the next three.
   */
  async kill(): Promise<void> {
    this.#own('kill');
    await this.#process?.end('SIGKILL', STOP_WITHIN_MS);
  }

  /** Ends the process in good order, keeps the store and starts it again. */
  async restart(): Promise<void> {
    this.#own('restart');
    await this.#process?.end('SIGTERM', STOP_WITHIN_MS);
    await this.start();
  }

  /**
   * Stops the process where it is (SIGSTOP) and waits until it really stands still: connections stay open and
   * nothing answers. Not on Windows.
   */
  async freeze(): Promise<void> {
    this.#own('freeze');
    await this.#process?.freeze();
  }

  /** Lets a frozen process continue. */
  resume(): void {
    this.#own('resume');
    this.#process?.signal('SIGCONT');
  }

  /** The same as `stop()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run({ binary, name, ownFolder, config, logFile }: Launch): Promise<void> {
    const { port, storeDir = '' } = this.#identity;
    const configFile = join(ownFolder, 'nats.conf');
    await mkdir(ownFolder, { recursive: true });
    // Of two blocks the server takes the later one. On one line, so that errors name the line of the given text.
    await writeFile(configFile, `${ROOM}; ${config}`);
    // Flags win over the file, so no configuration text can open the server to the network or lose its store.
    const fixed = ['--addr', '127.0.0.1', '--port', String(port), '--name', name, '-js', '-sd', storeDir];
    this.#process = new NatsProcess({ binary, args: ['-c', configFile, ...fixed], name, port, logFile });
    await this.#process.untilReady();
  }

  #own(action: string): Launch {
    if (this.#launch !== undefined) return this.#launch;
    const expected = `expected a nats-server of our own to ${action}, found the external one of NATS_URL.`;
    throw new AggregateTransportError('NATS_SERVER_UNAVAILABLE', `${expected} Unset NATS_URL.`);
  }
}

/**
 * Starts a nats-server with JetStream that listens on 127.0.0.1 only, and waits until it serves. Without options
 * and with `NATS_URL` set, that server is used instead. A server of our own dies with this process. Its streams may
 * reserve 1 TB of disk and of memory, however much there is: only what they hold is used.
 *
 * @throws AggregateTransportError `NATS_SERVER_UNAVAILABLE` if no binary is to be had, or if `NATS_URL` leads to no
 *   nats-server with JetStream. So too if the server does not come up within 10 s, with its own last lines.
 */
export async function startNatsServer(options: StartNatsServerOptions = {}): Promise<NatsServer> {
  const external = process.env['NATS_URL'] ?? '';
  const isPlain = Object.values(options).every((value) => value === undefined);
  if (external !== '' && isPlain) return attach(external);
  const { path: binary, version } = await findNatsServer(options);
  const ownFolder = await mkdtemp(join(tmpdir(), 'nats-server-'));
  const launch = launchOf(options, binary, ownFolder);
  const storeDir = resolve(options.storeDir ?? join(ownFolder, 'store'));
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    const server = new NatsServer({ url: `nats://127.0.0.1:${port}`, port, version, storeDir }, launch);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.stop();
      const another = options.port === undefined && PORT_TAKEN.test(reasonOf(error));
      if (!another || attempt === FREE_PORT_ATTEMPTS) throw error;
    }
  }
}

async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1);
  return port;
}

function launchOf(
  { config = '', logFile }: StartNatsServerOptions,
  binary: string,
  ownFolder: string,
): Launch {
  return {
    binary,
    name: `test-${randomBytes(6).toString('hex')}`,
    ownFolder,
    config,
    logFile: resolve(logFile ?? join(ownFolder, 'nats-server.log')),
  };
}

async function attach(urls: string): Promise<NatsServer> {
  const first = urls.split(',')[0]?.trim() ?? '';
  const { hostname, port: given } = new URL(first.includes('://') ? first : `nats://${first}`);
  const port = given === '' ? DEFAULT_NATS_PORT : Number(given);
  // The text of NATS_URL is not repeated in errors because it may hold a password.
  const expected = `expected a nats-server with JetStream at ${hostname}:${port} (NATS_URL)`;
  const remedy = 'Start it with -js, or unset NATS_URL.';
  const info = await readServerInfo(hostname, port, EXTERNAL_INFO_WITHIN_MS).catch((cause: unknown) => {
    const message = `${expected}, found: ${reasonOf(cause)}. ${remedy}`;
    throw new AggregateTransportError('NATS_SERVER_UNAVAILABLE', message, { cause });
  });
  if (info.jetstream === true)
    return new NatsServer({ url: urls, port, version: info.version, storeDir: undefined });
  const message = `${expected}, found ${info.version} without JetStream. ${remedy}`;
  throw new AggregateTransportError('NATS_SERVER_UNAVAILABLE', message);
}
