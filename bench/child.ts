import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** Runs a script of the benches in a process of its own; resolves with the JSON of its last line. */
export function runChild(script: string, args: readonly string[]): Promise<Record<string, number>> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--expose-gc', path, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('exit', (code) => {
      if (code === 0) resolve(JSON.parse(output.trim().split('\n').at(-1) ?? '') as Record<string, number>);
      else reject(new Error(`${script} ended with ${code}: ${output.slice(-2_000)}`));
    });
  });
}

/** What a worker tells, and is told, over its channel. */
export type Message = { readonly kind: string } & Readonly<Record<string, unknown>>;

/** A process that works until it is told to stop, and speaks over a channel. */
export class Worker {
  readonly #child: ChildProcess;
  readonly #waiters: { kind: string; resolve: (message: Message) => void }[] = [];
  readonly #messages: Message[] = [];

  /** Starts a script; `cwd` decides which packages it finds. */
  constructor(script: string | URL, args: readonly string[]) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    this.#child = spawn(process.execPath, [path, ...args], {
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    // One listener for each message that is waited for at once.
    this.#child.setMaxListeners(0);
    this.#child.on('message', (message: Message) => {
      const at = this.#waiters.findIndex(({ kind }) => kind === message.kind);
      if (at < 0) this.#messages.push(message);
      else this.#waiters.splice(at, 1)[0]?.resolve(message);
    });
  }

  tell(message: Message): void {
    if (this.#child.connected) this.#child.send(message);
  }

  /** The next message of this kind, from now or from before. */
  async hear(kind: string, withinMs = 120_000): Promise<Message> {
    const at = this.#messages.findIndex((message) => message.kind === kind);
    if (at >= 0) return this.#messages.splice(at, 1)[0]!;
    let timer: NodeJS.Timeout | undefined;
    try {
      return await new Promise<Message>((resolve, reject) => {
        timer = setTimeout(
          () => reject(new Error(`no "${kind}" from the worker within ${withinMs} ms`)),
          withinMs,
        );
        this.#child.once('exit', (code) => reject(new Error(`the worker ended with ${code}`)));
        this.#waiters.push({ kind, resolve });
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends the process as a crash would. Resolves when it is gone. */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.kill('SIGKILL');
    await ended;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.tell({ kind: 'stop' });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(timer);
  }
}
