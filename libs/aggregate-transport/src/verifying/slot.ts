import { join } from 'node:path';
import { Child } from './harness/child-process.js';
import type { ProcessMessage, ProcessSetup } from './process-lines.js';
import { nowMs } from './harness/journal.js';
import type { TcpProxy } from './harness/tcp-proxy.js';

/** One life of a process. */
export interface Life {
  readonly name: string;
  readonly journal: string;
  /** In milliseconds on the clock of the journals. */
  readonly from: number;
  /** Infinity while it runs. */
  to: number;
  /** Undefined while it runs. */
  how: string | undefined;
  /** It was ended on purpose. */
  isExpected: boolean;
}

export interface SlotOptions {
  readonly name: string;
  readonly proxy: TcpProxy;
  readonly folder: string;
  /** Node runs this file with these words: it becomes what its setup says. */
  readonly command: readonly [file: string, ...args: string[]];
  readonly setupFor: (life: Pick<Life, 'name' | 'journal'>) => ProcessSetup;
  readonly heard: (message: ProcessMessage, life: Life) => void;
  /** A process has started, or ended. */
  readonly changed: () => void;
  /** One that ends by itself is started again. */
  readonly isRevived: boolean;
}

const RESPAWN_AFTER_MS = 200;

/** A place for one process: its proxy stays, its process comes and goes. */
export class Slot {
  readonly lives: Life[] = [];
  /** A fault is under way here; a second one would make the end of the first one meaningless. */
  isBusy = false;
  #child: Child | undefined;
  #ready: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(private readonly options: SlotOptions) {}

  get proxy(): TcpProxy {
    return this.options.proxy;
  }

  get isRunning(): boolean {
    return this.#child?.running === true;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The life of the process that runs here, or ran here last. */
  get life(): Life | undefined {
    return this.lives.at(-1);
  }

  /** Starts a process here. Resolves when it is ready, or when it ended before that. */
  start(): Promise<void> {
    if (this.isRunning || this.#isClosed) return this.#ready;
    const { folder, command, setupFor, heard, changed, isRevived } = this.options;
    const [file, ...args] = command;
    const name = `${this.options.name}-${this.lives.length + 1}`;
    const journal = join(folder, `${name}.jsonl`);
    const life: Life = { name, journal, from: nowMs(), to: Infinity, how: undefined, isExpected: false };
    this.lives.push(life);
    const child = new Child(file, { args, errors: join(folder, `${name}.err`) });
    this.#child = child;
    this.#ready = new Promise((resolve) => {
      child.onMessage((message) => {
        const told = message as ProcessMessage;
        if (told.kind === 'ready') resolve();
        heard(told, life);
      });
      void child.exited.then((how) => {
        Object.assign(life, { how, to: nowMs() });
        resolve();
        changed();
        if (isRevived && !life.isExpected) setTimeout(() => void this.start(), RESPAWN_AFTER_MS).unref();
      });
    });
    child.send(setupFor(life));
    changed();
    return this.#ready;
  }

  tell(message: object): void {
    this.#child?.send(message);
  }

  async kill(): Promise<void> {
    this.#expectEnd();
    this.#child?.signal('SIGKILL');
    await this.#child?.exited;
  }

  /** An orderly end. */
  async stop(): Promise<void> {
    this.#expectEnd();
    await this.#child?.end();
  }

  freeze(): void {
    this.#child?.signal('SIGSTOP');
  }

  thaw(): void {
    this.#child?.signal('SIGCONT');
  }

  /** Starts nothing more, and ends what runs: in order, or at once. */
  async close(isOrderly: boolean): Promise<void> {
    this.#isClosed = true;
    this.proxy.heal();
    await (isOrderly ? this.stop() : this.kill());
    await this.proxy.close();
  }

  #expectEnd(): void {
    if (this.life !== undefined) this.life.isExpected = true;
  }
}
