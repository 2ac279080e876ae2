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

const READY_WITHIN_MS = 30_000;
const STOP_WITHIN_MS = 15_000;
const KEPT_OUTPUT_CHARS = 4_000;

/** One service as a process of its own, the way it runs in production. */
class Service {
  readonly #process: ChildProcess;
  readonly #exited: Promise<void>;
  #output = '';

  private constructor(
    readonly name: string,
    readonly url: string,
    env: Record<string, string>,
  ) {
    const main = fileURLToPath(new URL(`../../${name}/src/main.js`, import.meta.url));
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

  static async start(name: string, readyPath: string, env: Record<string, string>): Promise<Service> {
    const port = await freePort();
    const service = new Service(name, `http://127.0.0.1:${port}`, { ...env, PORT: String(port) });
    const until = Date.now() + READY_WITHIN_MS;
    while (!(await answers(`${service.url}${readyPath}`))) {
      if (service.#process.exitCode !== null || Date.now() > until) {
        await service.stop();
        throw new Error(`expected service "${name}" to start, found this instead:\n${service.#output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    return service;
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
  stop(): Promise<void>;
}

/** Starts a nats-server of our own and both services on it. */
export async function startServices(gateway: GatewayBehaviour): Promise<Services> {
  // Any configuration, even none, asks for a server of our own, even where NATS_URL names another: the run must start empty.
  const nats: NatsServer = await startNatsServer({ config: '' });
  const running: Service[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((service) => service.stop()));
    await nats.stop();
  };
  try {
    const env = {
      NATS_URL: nats.url,
      GATEWAY_MAX_MS: String(gateway.maxMs),
      GATEWAY_FAILURES: String(gateway.failures),
    };
    const [orders, billing] = await Promise.all([
      Service.start('orders', '/', env),
      Service.start('billing', '/witness/handled', env),
    ]);
    running.push(orders, billing);
    return { natsVersion: nats.version, ordersUrl: orders.url, billingUrl: billing.url, stop };
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
