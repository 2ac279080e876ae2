import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { diesWithParent } from './dies-with-parent.js';
import { runCommand, type RunAs } from './run-command.js';

export interface PostgresProcessOptions extends RunAs {
  /** The program `postgres`. */
  readonly program: string;
  readonly args: readonly string[];
  readonly dataFolder: string;
  /** Where the server's own words go; text is appended. */
  readonly logFile: string;
}

const READY_WITHIN_MS = 30_000;
const READY_CHECK_EVERY_MS = 10;
const EXIT_AFTER_SIGKILL_WITHIN_MS = 5_000;
/** Also while the machine is busy: a list that never comes would end a run. */
const LIST_WITHIN_MS = 30_000;
const LOG_LINES_IN_ERRORS = 12;
/** The server writes its state into this line of its file `postmaster.pid`. */
const STATE_LINE = 7;

/** One run of a PostgreSQL server, from spawn to exit, with the processes that it makes for its connections. */
export class PostgresProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<void>;
  readonly #logStart: number;
  #ending: string | undefined;

  /** Spawns the server. A program that cannot be started is reported by {@link untilReady}. */
  constructor(private readonly options: PostgresProcessOptions) {
    const log = openSync(options.logFile, 'a');
    const as = options.uid === undefined ? {} : { uid: options.uid, gid: options.gid };
    try {
      this.#logStart = fstatSync(log).size;
      this.#child = spawn(options.program, options.args, { stdio: ['ignore', log, log], ...as });
    } finally {
      closeSync(log);
    }
    diesWithParent(this.#child);
    this.#exited = new Promise((resolve) => {
      const end = (how: string): void => {
        this.#ending ??= how;
        resolve();
      };
      // Both listeners are needed: a server that dies on its own must be a fact to read, never a crash here.
      this.#child.once('error', (error) => end(`could not be started: ${error.message}`));
      this.#child.once('exit', (code, signal) =>
        end(signal === null ? `ended with code ${code}` : `died of ${signal}`),
      );
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** How it ended, in words; nothing as long as it runs. */
  get ending(): string | undefined {
    return this.#ending;
  }

  /**
   * Waits until the server takes connections, recovery included.
   *
   * @throws Error if it ends or 30 s pass before that, with its last lines. It is gone then.
   */
  async untilReady(): Promise<void> {
    const deadline = Date.now() + READY_WITHIN_MS;
    while (this.#ending === undefined && Date.now() < deadline) {
      if (await this.#isReady()) return;
      await Promise.race([delay(READY_CHECK_EVERY_MS), this.#exited]);
    }
    const how = this.#ending ?? `was not ready within ${READY_WITHIN_MS} ms`;
    await this.kill();
    throw new Error(`postgres ${how}: ${this.#lastWords()}`);
  }

  /** Ends it by a signal of its own: SIGINT rolls back and stops, SIGQUIT stops at once; SIGKILL after `withinMs`. */
  async end(signal: 'SIGINT' | 'SIGQUIT', withinMs: number): Promise<void> {
    if (this.#ending !== undefined) return;
    this.#child.kill(signal);
    // A frozen process takes no signal but SIGKILL before it continues.
    await this.signalAll('SIGCONT');
    if (!(await this.#hasExitedWithin(withinMs))) await this.kill();
  }

  /**
   * Kills the server and each of its processes, as the loss of the machine would.
   *
   * @throws Error if it is still there 5 s later.
   */
  async kill(): Promise<void> {
    if (this.#ending !== undefined) return;
    await this.signalAll('SIGKILL');
    if (await this.#hasExitedWithin(EXIT_AFTER_SIGKILL_WITHIN_MS)) return;
    throw new Error(
      `postgres ${this.pid ?? '?'} did not end within ${EXIT_AFTER_SIGKILL_WITHIN_MS} ms of SIGKILL`,
    );
  }

  /** Sends a signal to the server first, so that it makes no more processes, then to those that it has made. */
  async signalAll(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGKILL'): Promise<void> {
    if (this.#ending !== undefined || this.pid === undefined) return;
    if (signal === 'SIGSTOP') this.#child.kill(signal);
    const children = await childrenOf(this.pid);
    if (signal !== 'SIGSTOP') this.#child.kill(signal);
    for (const pid of children) {
      try {
        process.kill(pid, signal);
      } catch {
        // It has ended meanwhile.
      }
    }
  }

  async #isReady(): Promise<boolean> {
    const text = await readFile(join(this.options.dataFolder, 'postmaster.pid'), 'utf8').catch(() => '');
    const lines = text.split('\n');
    return lines[0] === String(this.pid) && lines[STATE_LINE]?.trim() === 'ready';
  }

  async #hasExitedWithin(ms: number): Promise<boolean> {
    const bound = new AbortController();
    const tooLate = delay(ms, undefined, { signal: bound.signal }).catch(() => undefined);
    await Promise.race([this.#exited, tooLate]);
    bound.abort();
    return this.#ending !== undefined;
  }

  #lastWords(): string {
    const text = readFileSync(this.options.logFile).subarray(this.#logStart).toString('utf8');
    return text.trim().split('\n').slice(-LOG_LINES_IN_ERRORS).join('\n') || '(it wrote nothing)';
  }
}

/** The processes that a process has made and that still run. */
async function childrenOf(parent: number): Promise<number[]> {
  if (process.platform === 'win32') return [];
  const list = await runCommand('ps', ['-A', '-o', 'pid=,ppid='], { withinMs: LIST_WITHIN_MS });
  return list.split('\n').flatMap((line) => {
    const [pid, ppid] = line.trim().split(/\s+/).map(Number);
    return ppid === parent && pid !== undefined ? [pid] : [];
  });
}
