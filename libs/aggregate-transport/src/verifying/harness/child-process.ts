import { type ChildProcess, fork } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { diesWithParent } from './dies-with-parent.js';

const END_WITHIN_MS = 15_000;

export interface ChildOptions {
  /** What the process is given after its file. */
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** The file that its standard error is added to. */
  readonly errors: string;
  /** Options for Node itself; by default those of this process. */
  readonly execArgv?: readonly string[];
}

/** A process of ours that runs a built file. It dies with this process, at the latest. */
export class Child {
  /** Resolves with `code N`, or with the name of the signal that ended it. Never rejects. */
  readonly exited: Promise<string>;
  readonly #process: ChildProcess;
  #how: string | undefined;

  constructor(file: string, { args = [], env = {}, errors, execArgv = process.execArgv }: ChildOptions) {
    const error = openSync(errors, 'a');
    this.#process = fork(file, [...args], {
      execArgv: [...execArgv],
      env: { ...process.env, ...env },
      stdio: ['ignore', 'ignore', error, 'ipc'],
    });
    closeSync(error);
    diesWithParent(this.#process);
    this.exited = new Promise((resolve) => {
      const ended = (how: string): void => {
        this.#how ??= how;
        resolve(this.#how);
      };
      this.#process.once('exit', (code, signal) => ended(signal ?? `code ${code ?? '?'}`));
      // One that could not be started has no exit.
      this.#process.on('error', (error) => {
        if (this.#process.pid === undefined) ended(error.message);
      });
    });
  }

  /** 0 if it could not be started. */
  get pid(): number {
    return this.#process.pid ?? 0;
  }

  get running(): boolean {
    return this.#how === undefined;
  }

  onMessage(callback: (message: unknown) => void): void {
    this.#process.on('message', callback);
  }

  send(message: object): void {
    // One that was killed a moment ago does not hear it.
    if (this.#process.connected) this.#process.send(message, () => undefined);
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#process.kill(signal);
  }

  /** SIGTERM, then SIGKILL if it takes too long. */
  async end(): Promise<void> {
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    const kill = setTimeout(() => this.signal('SIGKILL'), END_WITHIN_MS);
    await this.exited;
    clearTimeout(kill);
  }
}
