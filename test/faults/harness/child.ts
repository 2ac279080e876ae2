import { type ChildProcess, fork } from 'node:child_process';
import { openSync } from 'node:fs';
import { resolve } from 'node:path';
import { diesWithParent } from '#library/testing/nats/dies-with-parent.js';

const END_WITHIN_MS = 15_000;

export interface ChildOptions {
  readonly env: Record<string, string>;
  /** Where its standard error goes. */
  readonly errors: string;
  /** Options for Node itself. */
  readonly execArgv?: readonly string[];
}

/** A process of ours that runs a built file of this folder. It dies with this process, at the latest. */
export class Child {
  readonly exited: Promise<string>;
  readonly #process: ChildProcess;
  #how: string | undefined;

  constructor(file: string, { env, errors, execArgv = [] }: ChildOptions) {
    const error = openSync(errors, 'a');
    // Built code, also under Jest: a process of its own knows no ts-jest.
    this.#process = fork(resolve('dist/test/faults', file), {
      execArgv: [...execArgv],
      env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', ...env },
      stdio: ['ignore', 'ignore', error, 'ipc'],
    });
    diesWithParent(this.#process);
    this.exited = new Promise((resolve) =>
      this.#process.once('exit', (code, signal) => {
        this.#how = signal ?? `code ${code ?? '?'}`;
        resolve(this.#how);
      }),
    );
  }

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
