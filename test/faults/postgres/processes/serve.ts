import type { LoggerService } from '@nestjs/common';
import { Journal } from '../../harness/journal.js';
import { type Order, type ProcessLine, SETUP_VARIABLE } from './setup.js';

/** The name under which test builds of both libraries tell of their steps. */
const STEP_EVENT = 'aggregate-transport: step';

const steps: NodeJS.EventEmitter = process;

/** A step of the application itself. */
export function reached(step: string): void {
  steps.emit(STEP_EVENT, step);
}

/** One turn of the event loop: what was written to a socket has left. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** What every process of this part needs: its setup, its journal, its orders. */
export class Served<S extends { readonly journal: string }> {
  readonly setup: S;
  readonly journal: Journal<ProcessLine>;
  #isQuiet = false;
  #stopAt: string | undefined;

  constructor() {
    this.setup = JSON.parse(process.env[SETUP_VARIABLE] ?? '{}') as S;
    this.journal = new Journal<ProcessLine>(this.setup.journal);
    process.on('message', (order: Order) => {
      if ('quiet' in order) this.#isQuiet = true;
      else this.#stopAt = order.stopAt;
    });
    steps.on(STEP_EVENT, (step: string) => {
      if (step !== this.#stopAt) return;
      this.#stopAt = undefined;
      // It stops here, within this call.
      process.kill(process.pid, 'SIGSTOP');
    });
    process.on('disconnect', () => process.exit(1));
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
      process.on(event, (error: unknown) => {
        this.journal.write({ what: 'failed', why: `${event}: ${String(error)}` });
        process.exit(70);
      });
    }
  }

  /** Nothing new is to be begun: the run ends. */
  get isQuiet(): boolean {
    return this.#isQuiet;
  }

  get logger(): LoggerService {
    const write =
      (level: string) =>
      (text: unknown): void =>
        this.journal.write({ what: 'log', level, text: String(text) });
    return { debug: write('debug'), log: write('info'), warn: write('warn'), error: write('error') };
  }

  ready(): void {
    this.journal.write({ what: 'ready' });
    if (process.connected) process.send?.({ ready: true });
  }
}
