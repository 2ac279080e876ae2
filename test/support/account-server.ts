import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { connect, type NatsConnection } from 'nats';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';

/** What an account is allowed, beside everything. */
export interface AccountRules {
  /** JetStream, with a limit of its storage in bytes if there is a number. */
  readonly jetstream: boolean | number;
  /** Subjects that the user `app` may not publish to. */
  readonly denied: readonly string[];
}

const ALLOWED: AccountRules = { jetstream: true, denied: [] };
export const PASSWORD = 'pw';

/**
 * A nats-server whose accounts do not see each other, so that each can be broken by itself while it runs. An account
 * has two users: `app-NAME`, which its rules are for, and `admin-NAME`, which may do everything.
 */
export class AccountServer {
  readonly #rules = new Map<string, AccountRules>();
  /** Two reloads at once would write over each other. */
  #reloading: Promise<void> = Promise.resolve();

  private constructor(
    private readonly server: NatsServer,
    private readonly folder: string,
    /** A reload must name the server as it is. */
    private readonly serverName: string,
  ) {}

  static async start(names: readonly string[]): Promise<AccountServer> {
    const folder = await mkdtemp(join(tmpdir(), 'accounts-'));
    const rules = new Map(names.map((name) => [name, ALLOWED]));
    await writeFile(join(folder, 'accounts.conf'), configOf(rules));
    // An include is looked for beside the configuration, which lies in another temporary folder.
    const server = await startNatsServer({ config: `include "../${basename(folder)}/accounts.conf"` });
    const [first = ''] = names;
    const admin = await connect({ servers: server.url, user: `admin-${first}`, pass: PASSWORD });
    const started = new AccountServer(server, folder, admin.info?.server_name ?? '');
    await admin.close();
    for (const [name, allowed] of rules) started.#rules.set(name, allowed);
    return started;
  }

  get url(): string {
    return this.server.url;
  }

  get port(): number {
    return this.server.port;
  }

  admin(name: string): Promise<NatsConnection> {
    return connect({ servers: this.url, user: `admin-${name}`, pass: PASSWORD });
  }

  /** From now on these rules hold for the account; without any, it may do everything again. */
  rule(name: string, rules: Partial<AccountRules> = {}): Promise<void> {
    this.#rules.set(name, { ...ALLOWED, ...rules });
    this.#reloading = this.#reloading.then(() => this.#reload());
    return this.#reloading;
  }

  async stop(): Promise<void> {
    await this.server.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #reload(): Promise<void> {
    const next = join(this.folder, 'next.conf');
    await writeFile(next, `server_name: ${this.serverName}\n${configOf(this.#rules)}`);
    await rename(next, join(this.folder, 'accounts.conf'));
    const { pid } = this.server;
    if (pid === undefined) throw new Error('expected a server that runs');
    process.kill(pid, 'SIGHUP');
  }
}

function configOf(rules: ReadonlyMap<string, AccountRules>): string {
  const accounts = [...rules].map(([name, { jetstream, denied }]) => {
    const limit = typeof jetstream === 'number' ? `{ max_file: ${jetstream}, max_mem: 1000000 }` : 'enabled';
    const deny = denied.length === 0 ? '' : `, permissions: { publish: { deny: ${JSON.stringify(denied)} } }`;
    return `${name}: {
      ${jetstream === false ? '' : `jetstream: ${limit}`}
      users: [
        { user: "app-${name}", password: ${PASSWORD}${deny} }
        { user: "admin-${name}", password: ${PASSWORD} }
      ]
    }`;
  });
  return `accounts: { ${accounts.join('\n')} }\n`;
}
