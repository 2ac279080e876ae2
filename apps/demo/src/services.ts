import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { Service } from './service.js';

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
  // Any configuration, even none, asks for a server of our own, even where NATS_URL names another: the run must start
  // empty.
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
      const script = `../../${name}/src/${main}`;
      const service = await Service.start(name, { script, readyPath, env: own });
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
