import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { getJson } from './http.js';

const READY_WITHIN_MS = 90_000;
const STOP_WITHIN_MS = 15_000;
const KEPT_OUTPUT_CHARS = 4_000;

export interface Launch {
  /** The script, relative to this file. */
  readonly script: string;
  /** Answers when the service has started. */
  readonly readyPath: string;
  readonly env: Record<string, string>;
}

/** One service as a process of its own, the way it runs in production. */
export class Service {
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  #output = '';

  private constructor(
    readonly name: string,
    readonly url: string,
    private readonly launch: Launch,
  ) {
    const { script, env } = launch;
    this.#process = spawn(process.execPath, [fileURLToPath(new URL(script, import.meta.url))], {
      env: { ...process.env, ...env, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-KEPT_OUTPUT_CHARS);
    };
    this.#process.stdout?.on('data', keep);
    this.#process.stderr?.on('data', keep);
    this.#exited = new Promise((resolve) => this.#process.once('exit', () => resolve()));
  }

  static async start(name: string, launch: Launch): Promise<Service> {
    const port = await freePort();
    const env = { ...launch.env, PORT: String(port) };
    const service = new Service(name, `http://127.0.0.1:${port}`, { ...launch, env });
    await service.#untilReady();
    return service;
  }

  /** Ends the process with SIGKILL: it has no time to finish, to commit or to say anything. */
  async kill(): Promise<void> {
    this.#process.kill('SIGKILL');
    await this.#exited;
  }

  /** Kills the process, and starts another one at the same address. */
  async killAndStart(): Promise<Service> {
    await this.kill();
    const next = new Service(this.name, this.url, this.launch);
    await next.#untilReady();
    return next;
  }

  async #untilReady(): Promise<void> {
    const until = Date.now() + READY_WITHIN_MS;
    while (!(await answers(`${this.url}${this.launch.readyPath}`))) {
      if (this.#process.exitCode !== null || Date.now() > until) {
        await this.stop();
        throw new Error(`expected service "${this.name}" to start, found this instead:\n${this.#output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Ends the service as an orchestrator does: SIGTERM, time to drain, then SIGKILL. */
  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    this.#process.kill('SIGTERM');
    const kill = setTimeout(() => this.#process.kill('SIGKILL'), STOP_WITHIN_MS);
    await this.#exited;
    clearTimeout(kill);
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    await getJson(url);
    return true;
  } catch (error) {
    // Any HTTP answer will do; a refused connection is not one.
    return error instanceof Error && error.message.includes('answered');
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}
