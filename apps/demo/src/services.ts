import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { getJson } from './http.js';

/** How the payment gateway behind billing behaves. */
export interface GatewayBehaviour {
  /** A call takes up to this long, in milliseconds. */
  maxMs: number;
  /** Share of first attempts that fail, 0 to 1. */
  failures: number;
}

/** Where the two services keep their rows. Not given: they keep none, and run as the README shows them. */
export interface Databases {
  readonly orders: string;
  readonly billing: string;
}

/** An empty address: each service has a PGlite of its own. */
export const EMBEDDED: Databases = { orders: '', billing: '' };

const READY_WITHIN_MS = 90_000;
const STOP_WITHIN_MS = 15_000;
const KEPT_OUTPUT_CHARS = 4_000;

interface Launch {
  /** The script, below the service's own sources. */
  readonly main: string;
  /** Answers when the service has started. */
  readonly readyPath: string;
  readonly env: Record<string, string>;
}

/** One service as a process of its own, the way it runs in production. */
class Service {
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  #output = '';

  private constructor(
    readonly name: string,
    readonly url: string,
    private readonly launch: Launch,
  ) {
    const { main: file, env } = launch;
    const main = fileURLToPath(new URL(`../../${name}/src/${file}`, import.meta.url));
    this.#process = spawn(process.execPath, [main], {
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

  /** Kills the process, and starts another one at the same address. */
  async killAndStart(): Promise<Service> {
    this.#process.kill('SIGKILL');
    await this.#exited;
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

export interface Services {
  readonly natsVersion: string;
  readonly ordersUrl: string;
  readonly billingUrl: string;
  /** Kills one of them with SIGKILL, and starts it again. Resolves when it has started. */
  kill(name: 'orders' | 'billing'): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a nats-server of our own and both services on it. */
export async function startServices(gateway: GatewayBehaviour, databases?: Databases): Promise<Services> {
  // Any configuration, even none, asks for a server of our own, even where NATS_URL names another: the run must start empty.
  const nats: NatsServer = await startNatsServer({ config: '' });
  const running = new Map<string, Service>();
  const stop = async (): Promise<void> => {
    await Promise.all([...running.values()].map((service) => service.stop()));
    await nats.stop();
  };
  try {
    const env = {
      NATS_URL: nats.url,
      GATEWAY_MAX_MS: String(gateway.maxMs),
      GATEWAY_FAILURES: String(gateway.failures),
    };
    const main = databases === undefined ? 'main.js' : 'postgres/main.js';
    const started = async (name: 'orders' | 'billing', readyPath: string): Promise<Service> => {
      const own = { ...env, DATABASE_URL: databases?.[name] ?? '' };
      const service = await Service.start(name, { main, readyPath, env: own });
      running.set(name, service);
      return service;
    };
    const [orders, billing] = await Promise.all([
      started('orders', '/'),
      started('billing', '/witness/handled'),
    ]);
    const kill = async (name: 'orders' | 'billing'): Promise<void> => {
      const service = running.get(name);
      if (service !== undefined) running.set(name, await service.killAndStart());
    };
    return { natsVersion: nats.version, ordersUrl: orders.url, billingUrl: billing.url, kill, stop };
  } catch (error) {
    await stop();
    throw error;
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
