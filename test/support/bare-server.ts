import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNatsServer } from '#library/testing/nats/nats-binary.js';
import { freePorts, NatsProcess } from '#library/testing/nats/nats-process.js';
import { eventually } from './eventually.js';

/** Ports of 127.0.0.1 for a configuration: for clients, for leaf nodes, and one more. */
export interface Ports {
  readonly client: number;
  readonly leaf: number;
  readonly other: number;
}

type ConfigOf = (ports: Ports) => string;

const JETSTREAM = (folder: string): string =>
  `jetstream { store_dir: "${folder}/store", max_file_store: 1TB, max_memory_store: 1TB`;

/**
 * A nats-server with nothing but the configuration of its test: without JetStream, with TLS from the first byte, as a
 * leaf node. `startNatsServer` would add JetStream, and wait for a greeting. It is ready when its log says so.
 */
export class BareServer {
  #reloads = 0;

  private constructor(
    readonly ports: Ports,
    private readonly folder: string,
    private readonly name: string,
    private readonly process: NatsProcess,
  ) {}

  /** `domain`: with JetStream, in this domain; '' without a domain; undefined without JetStream. */
  static async start(configOf: ConfigOf, domain?: string): Promise<BareServer> {
    const { path: binary } = await findNatsServer();
    const [client = 0, leaf = 0, other = 0] = await freePorts(3);
    const ports = { client, leaf, other };
    const folder = await mkdtemp(join(tmpdir(), 'bare-nats-'));
    const name = `bare-${randomBytes(4).toString('hex')}`;
    const ofDomain = domain === undefined || domain === '' ? '' : `, domain: ${domain}`;
    const jetStream = domain === undefined ? '' : `${JETSTREAM(folder)}${ofDomain} }`;
    const file = join(folder, 'nats.conf');
    await writeFile(join(folder, 'jetstream.conf'), jetStream);
    await writeFile(file, contentOf(name, ports, configOf(ports)));
    const child = new NatsProcess({ binary, args: ['-c', file], name, port: client, logFile: logOf(folder) });
    const server = new BareServer(ports, folder, name, child);
    await eventually('the server to be ready', async () => {
      if (child.ending !== undefined) throw new Error(`${child.ending}: ${await server.log()}`);
      return (await server.log()).includes('Server is ready');
    });
    return server;
  }

  get url(): string {
    return `nats://127.0.0.1:${this.ports.client}`;
  }

  log(): Promise<string> {
    return readFile(logOf(this.folder), 'utf8');
  }

  /** Takes another configuration while it runs (SIGHUP). */
  async reload(configOf: ConfigOf): Promise<void> {
    const done = ++this.#reloads;
    await writeFile(join(this.folder, 'nats.conf'), contentOf(this.name, this.ports, configOf(this.ports)));
    this.process.signal('SIGHUP');
    await eventually(
      'the configuration to be reloaded',
      async () => (await this.log()).split('Reloaded server configuration').length > done,
    );
  }

  async stop(): Promise<void> {
    await this.process.end('SIGTERM', 5_000);
    await rm(this.folder, { recursive: true, force: true });
  }
}

function logOf(folder: string): string {
  return join(folder, 'nats.log');
}

function contentOf(name: string, { client }: Ports, config: string): string {
  return `server_name: ${name}\nlisten: "127.0.0.1:${client}"\ninclude "jetstream.conf"\n${config}\n`;
}
