import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { diesWithParent } from '../../verifying/harness/dies-with-parent.js';
import { run } from './nats-download.js';

/** What a nats-server says of itself to every client that connects, as far as it is of use here. */
export interface ServerInfo {
  readonly version: string;
  readonly server_name: string;
  readonly jetstream?: boolean;
}

/** How to start a nats-server process. */
export interface NatsProcessOptions {
  readonly binary: string;
  readonly args: readonly string[];
  /** The server's unique name, by which it is told apart from a stranger on the same port. */
  readonly name: string;
  readonly port: number;
  /** Where the standard output and error of the process go; text is appended. */
  readonly logFile: string;
}

const READY_WITHIN_MS = 10_000;
const PROBE_WITHIN_MS = 1_000;
const PROBE_EVERY_MS = 20;
const FROZEN_WITHIN_MS = 5_000;
const FROZEN_CHECK_EVERY_MS = 2;
const EXIT_AFTER_SIGKILL_WITHIN_MS = 5_000;
const LOG_LINES_IN_ERRORS = 12;
/** More than any INFO line. A server that sends more than this without an end of line is not a nats-server. */
const LONGEST_INFO = 64 * 1024;

/** One run of a nats-server binary, from spawn to exit. It is only ever signalled through its process handle. */
export class NatsProcess {
  readonly #options: NatsProcessOptions;
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #logStart: number;
  #ending: string | undefined;

  /** Spawns the process. A binary that cannot be started is reported by {@link untilReady}, not here. */
  constructor(options: NatsProcessOptions) {
    this.#options = options;
    const log = openSync(options.logFile, 'a');
    try {
      this.#logStart = fstatSync(log).size;
      this.#child = spawn(options.binary, options.args, { stdio: ['ignore', log, log] });
    } finally {
      closeSync(log);
    }
    diesWithParent(this.#child);
    this.#exited = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#ending ??= how;
        resolve();
      };
      // Both listeners are needed: a process that dies on its own must be a fact to look up, never a crash here.
      this.#child.once('error', (error) => end(`could not be started: ${error.message}`));
      this.#child.once('exit', (code, signal) =>
        end(signal === null ? `ended with code ${code}` : `died of ${signal}`),
      );
    });
  }

  /** The process id; none if the process could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** How the process ended, in words; nothing as long as it runs. */
  get ending(): string | undefined {
    return this.#ending;
  }

  /**
   * Waits until the server accepts clients and has JetStream.
   *
   * @throws Error if the process ends or 10 s pass before that, with the last lines the server wrote. The process
   *   is gone then.
   */
  async untilReady(): Promise<ServerInfo> {
    const deadline = Date.now() + READY_WITHIN_MS;
    while (this.#ending === undefined && Date.now() < deadline) {
      const info = await readServerInfo('127.0.0.1', this.#options.port, PROBE_WITHIN_MS).catch(
        () => undefined,
      );
      if (info?.jetstream === true && info.server_name === this.#options.name) return info;
      await Promise.race([delay(PROBE_EVERY_MS), this.#exited]);
    }
    const how = this.#ending ?? `was not ready within ${READY_WITHIN_MS} ms`;
    await this.end('SIGKILL', EXIT_AFTER_SIGKILL_WITHIN_MS);
    throw new Error(`nats-server ${how}: ${this.#lastWords()}`);
  }

  /** Sends a signal; does nothing after the end of the process. */
  signal(signal: NodeJS.Signals): void {
    if (this.#ending === undefined) this.#child.kill(signal);
  }

  /**
   * Stops the process where it is and waits until none of its threads runs any more. SIGSTOP only asks for that, and on
   * a busy machine a server still answers for some milliseconds.
   *
   * @throws Error if it still runs after 5 s, or on Windows.
   */
  async freeze(): Promise<void> {
    this.signal('SIGSTOP');
    const deadline = Date.now() + FROZEN_WITHIN_MS;
    while (this.#ending === undefined && this.pid !== undefined && !(await isFrozen(this.pid))) {
      if (Date.now() > deadline)
        throw new Error(`nats-server ${this.pid} runs ${FROZEN_WITHIN_MS} ms after SIGSTOP`);
      await delay(FROZEN_CHECK_EVERY_MS);
    }
  }

  /**
   * Sends `signal` and waits for the end of the process, with SIGKILL after `withinMs`.
   *
   * @throws Error if the process is still there 5 s after SIGKILL.
   */
  async end(signal: NodeJS.Signals, withinMs: number): Promise<void> {
    this.signal(signal);
    // A frozen process takes no other signal than SIGKILL before it continues. Windows has no freezing.
    if (process.platform !== 'win32') this.signal('SIGCONT');
    if (await this.#hasExitedWithin(withinMs)) return;
    this.signal('SIGKILL');
    if (await this.#hasExitedWithin(EXIT_AFTER_SIGKILL_WITHIN_MS)) return;
    throw new Error(
      `nats-server ${this.pid ?? '?'} did not end within ${EXIT_AFTER_SIGKILL_WITHIN_MS} ms of SIGKILL`,
    );
  }

  async #hasExitedWithin(ms: number): Promise<boolean> {
    const bound = new AbortController();
    const tooLate = delay(ms, undefined, { signal: bound.signal }).catch(() => undefined);
    await Promise.race([this.#exited, tooLate]);
    bound.abort();
    return this.#ending !== undefined;
  }

  #lastWords(): string {
    const text = readFileSync(this.#options.logFile).subarray(this.#logStart).toString('utf8');
    return text.trim().split('\n').slice(-LOG_LINES_IN_ERRORS).join('\n') || '(it wrote nothing)';
  }
}

async function isFrozen(pid: number): Promise<boolean> {
  const deadline = Date.now() + FROZEN_WITHIN_MS;
  if (process.platform !== 'linux')
    return (await run('ps', ['-o', 'stat=', '-p', String(pid)], { deadline })).startsWith('T');
  const tasks = `/proc/${pid}/task`;
  // A thread that ends meanwhile takes its file along, and does not run.
  const ids = await readdir(tasks).catch(() => []);
  const states = await Promise.all(
    ids.map((id) => readFile(`${tasks}/${id}/stat`, 'utf8').catch(() => ') T')),
  );
  return states.every((state) => state.includes(') T'));
}

/**
 * Reads the line with which a nats-server greets every connection.
 *
 * @throws Error if no server listens, `withinMs` pass or the greeting is not that of a nats-server.
 */
export function readServerInfo(host: string, port: number, withinMs: number): Promise<ServerInfo> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    const fail = (reason: Error): void => {
      clearTimeout(bound);
      socket.destroy();
      reject(reason);
    };
    const bound = setTimeout(() => fail(new Error(`no INFO within ${withinMs} ms`)), withinMs);
    let received = '';
    socket.setEncoding('utf8');
    socket.once('error', fail);
    socket.once('close', () => fail(new Error('the connection was closed before an INFO')));
    socket.on('data', (chunk) => {
      received += String(chunk);
      const line = /^INFO (\{.*\})\s*\r\n/.exec(received)?.[1];
      if (line === undefined) {
        if (received.includes('\n') || received.length > LONGEST_INFO)
          fail(new Error('this is not a nats-server'));
        return;
      }
      clearTimeout(bound);
      resolve(JSON.parse(line) as ServerInfo);
      socket.destroy();
    });
  });
}

/**
 * Ports of 127.0.0.1 that were free a moment ago, all different. Another process can take one before it is used, so the
 * caller has to cope with "address already in use".
 */
export async function freePorts(count: number): Promise<number[]> {
  const holders = await Promise.all(Array.from({ length: count }, listenAnywhere));
  const ports = holders.map((holder) => {
    const address = holder.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(holders.map((holder) => new Promise((resolve) => holder.close(resolve))));
  return ports;
}

function listenAnywhere(): Promise<Server> {
  return new Promise((resolve, reject) => {
    const holder = createServer();
    holder.once('error', reject);
    holder.listen(0, '127.0.0.1', () => resolve(holder));
  });
}
