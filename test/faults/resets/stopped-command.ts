import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { diesWithParent } from '#library/verifying/harness/dies-with-parent.js';
import { COMMAND_FILE } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';
import { testBuild } from '../harness/test-build.js';

const STOPPED_WITHIN_MS = 40_000;

/** The command line as a process that is killed or frozen at a step of its own. */
export class StoppedCommand {
  readonly #process;
  #how: string | undefined;
  #errors = '';

  constructor(args: readonly string[], stopAt: string) {
    const { env, execArgv } = testBuild({ stopAt });
    this.#process = spawn(process.execPath, [...execArgv, COMMAND_FILE, ...args], {
      env: { ...process.env, NODE_OPTIONS: '', ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    diesWithParent(this.#process);
    this.#process.stderr.on('data', (chunk: Buffer) => (this.#errors += chunk.toString()));
    this.#process.once('exit', (code, signal) => (this.#how = signal ?? `code ${code ?? '?'}`));
  }

  /** Resolves when it is killed or frozen at its step; rejects if it ended by itself. */
  async stopped(): Promise<void> {
    await eventually(
      'the command to be stopped',
      () => this.#how !== undefined || this.#isFrozen(),
      STOPPED_WITHIN_MS,
    );
    if (this.#how !== undefined && this.#how !== 'SIGKILL')
      throw new Error(
        `expected the command to be stopped, found that it ended with ${this.#how}: ${this.#errors}`,
      );
  }

  /** Wakes it, and resolves when it has come to any end. */
  async wake(): Promise<void> {
    if (this.#how !== undefined) return;
    this.#process.kill('SIGCONT');
    await eventually('the woken command to end', () => this.#how !== undefined, STOPPED_WITHIN_MS);
  }

  end(): void {
    if (this.#how === undefined) this.#process.kill('SIGKILL');
  }

  #isFrozen(): boolean {
    const { pid } = this.#process;
    if (pid === undefined || this.#how !== undefined) return false;
    try {
      return / T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
    } catch {
      return false;
    }
  }
}
