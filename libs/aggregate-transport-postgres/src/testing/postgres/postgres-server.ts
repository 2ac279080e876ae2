import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { AggregatePostgresError } from '../../errors.js';
import { freePort } from './free-port.js';
import { findPostgres, program } from './postgres-binaries.js';
import { PostgresProcess } from './postgres-process.js';
import { reasonOf, runCommand, type RunAs } from './run-command.js';
import { unprivilegedUser } from './unprivileged-user.js';

/** How {@link startPostgres} starts its server. Any of these forces a server of our own. */
export interface StartPostgresOptions {
  /** The port on 127.0.0.1. Default: a free one. */
  readonly port?: number;
  /** Settings of the server, by name, such as `{ max_connections: '300' }`. They replace those of this function. */
  readonly settings?: Readonly<Record<string, string>>;
}

interface Launch extends RunAs {
  readonly bin: string;
  /** Holds data and log. */
  readonly folder: string;
  readonly settings: Readonly<Record<string, string>>;
}

const STOP_WITHIN_MS = 10_000;
const INIT_WITHIN_MS = 60_000;
const START_ATTEMPTS = 5;
const START_AGAIN_AFTER_MS = 200;
/** Durable as a server in production, but small. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'on',
  max_connections: '120',
  shared_buffers: '32MB',
  max_wal_size: '256MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  jit: 'off',
  // The same as UTC, and known without the machine's files of time zones.
  timezone: 'GMT',
};
/** Of a server that was killed, for a moment; of a port that another process has. */
const PASSING = /pre-existing shared memory block|is another postmaster|could not bind|already in use/;

/**
 * A PostgreSQL server for tests and demos: a server of our own, or the external one of `DATABASE_URL`. It keeps its url
 * over every stop and start. What it stores survives `kill()`, `crash()`, `restart()` and `start()`.
 */
export class PostgresServer implements AsyncDisposable {
  #process: PostgresProcess | undefined;

  /** @internal Use {@link startPostgres}. Without `launch` the server is external. */
  constructor(
    /** Where clients connect, such as `postgres://postgres@127.0.0.1:5432/postgres`. */
    readonly url: string,
    /** Such as `15.14`; unknown for an external server. */
    readonly version: string | undefined,
    private readonly port: number,
    private readonly launch?: Launch,
  ) {}

  /** Whether the server is external: it can be used, but not killed, frozen or started. */
  get external(): boolean {
    return this.launch === undefined;
  }

  /** The process id while our own server runs. */
  get pid(): number | undefined {
    return this.#process?.ending === undefined ? this.#process?.pid : undefined;
  }

  /**
   * Starts the server on its port and data, and waits until it takes connections; nothing if it runs.
   *
   * @throws AggregatePostgresError `POSTGRES_SERVER_UNAVAILABLE` with the server's last lines if it does not come up
   *   within 30 s, or if it is external; so do the others.
   */
  async start(): Promise<void> {
    const launch = this.#own('start');
    if (this.pid !== undefined) return;
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#run(launch);
        return;
      } catch (cause) {
        if (attempt < START_ATTEMPTS && PASSING.test(reasonOf(cause))) {
          await delay(START_AGAIN_AFTER_MS);
          continue;
        }
        throw unavailable(`expected PostgreSQL on port ${this.port}, found: ${reasonOf(cause)}`, cause);
      }
    }
  }

  /** Rolls back what is open, ends the server, and removes its data. It may be called again, also after a crash. */
  async stop(): Promise<void> {
    if (this.launch === undefined) return;
    await this.#process?.end('SIGINT', STOP_WITHIN_MS);
    await rm(this.launch.folder, { recursive: true, force: true });
  }

  /** Ends the server as the loss of its machine would (SIGKILL to all of its processes), and keeps its data. */
  async kill(): Promise<void> {
    this.#own('kill');
    await this.#process?.kill();
  }

  /** Ends the server as `pg_ctl stop -m immediate` does: no checkpoint, recovery at the next start. */
  async crash(): Promise<void> {
    this.#own('crash');
    await this.#process?.end('SIGQUIT', STOP_WITHIN_MS);
  }

  /** `pg_ctl restart`, by default `-m immediate`. */
  async restart(mode: 'immediate' | 'fast' = 'immediate'): Promise<void> {
    this.#own('restart');
    await this.#process?.end(mode === 'fast' ? 'SIGINT' : 'SIGQUIT', STOP_WITHIN_MS);
    await this.start();
  }

  /** Stops all of its processes where they are (SIGSTOP): connections stay open and nothing answers. */
  async freeze(): Promise<void> {
    this.#own('freeze');
    await this.#process?.signalAll('SIGSTOP');
  }

  /** Lets a frozen server continue. */
  async resume(): Promise<void> {
    this.#own('resume');
    await this.#process?.signalAll('SIGCONT');
  }

  /** The same as `stop()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #run({ bin, folder, settings, uid, gid }: Launch): Promise<void> {
    const dataFolder = join(folder, 'data');
    const flags = Object.entries({ ...SETTINGS, ...settings }).flatMap(([name, value]) => [
      '-c',
      `${name}=${value}`,
    ]);
    this.#process = new PostgresProcess({
      program: join(bin, program('postgres')),
      args: ['-D', dataFolder, '-p', String(this.port), ...flags],
      dataFolder,
      logFile: join(folder, 'postgres.log'),
      uid,
      gid,
    });
    await this.#process.untilReady();
  }

  #own(action: string): Launch {
    if (this.launch !== undefined) return this.launch;
    throw unavailable(
      `expected a server of our own to ${action}, found the external one of DATABASE_URL. Unset DATABASE_URL.`,
    );
  }
}

/**
 * Starts a PostgreSQL server that listens on 127.0.0.1 only, with a user `postgres` and no password, and waits until it
 * takes connections. Without options and with `DATABASE_URL` set, that server is used instead. A server of our own ends
 * with this process. As root it runs as the user `postgres`, or as the one without rights.
 *
 * @throws AggregatePostgresError `POSTGRES_SERVER_UNAVAILABLE` if no programs are to be had, or it does not come up.
 */
export async function startPostgres(options: StartPostgresOptions = {}): Promise<PostgresServer> {
  const external = process.env['DATABASE_URL'] ?? '';
  if (external !== '' && Object.values(options).every((value) => value === undefined))
    return new PostgresServer(external, undefined, 0);
  const { bin, version } = await findPostgres();
  const port = options.port ?? (await freePort());
  const launch = { bin, folder: await madeFolder(), settings: options.settings ?? {}, ...unprivilegedUser() };
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const server = new PostgresServer(url, version, port, launch);
  try {
    await initialise(launch);
    await server.start();
    return server;
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** `initdb`, without waiting for the disk: nothing of it is worth anything yet. */
async function initialise({ bin, folder, uid, gid }: Launch): Promise<void> {
  const flags = ['--no-sync', '--auth=trust', '--username=postgres', '--encoding=UTF8', '--locale=C'];
  const args = ['-D', join(folder, 'data'), ...flags];
  try {
    await runCommand(join(bin, program('initdb')), args, { cwd: folder, withinMs: INIT_WITHIN_MS, uid, gid });
  } catch (cause) {
    throw unavailable(`expected ${bin} to make a database, found: ${reasonOf(cause)}`, cause);
  }
}

async function madeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'postgres-'));
  const { uid, gid } = unprivilegedUser();
  if (uid !== undefined && gid !== undefined) await chown(folder, uid, gid);
  return folder;
}

function unavailable(message: string, cause?: unknown): AggregatePostgresError {
  return new AggregatePostgresError('POSTGRES_SERVER_UNAVAILABLE', message, { cause });
}
