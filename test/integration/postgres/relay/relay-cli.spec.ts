import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { credsAuthenticator } from 'nats';
import { createAccount, createOperator, createUser, type KeyPair } from 'nkeys.js';
import { diesWithParent } from '#library/verifying/harness/dies-with-parent.js';
import { type NatsServer, startNatsServer } from 'nestjs-aggregate-transport/testing';
import { COMMAND_FILE, runCommand } from '../../../support/command.js';
import { startApp } from '../../../support/app.js';
import { readJsonLines } from '../../../support/json-lines.js';
import { eventually } from '../../../support/eventually.js';
import { postgresForAll } from '../../../support/postgres.js';
import { relayFixtures } from '../../../support/relay.js';
import { serverForAll } from '../../../support/server.js';

const nats = serverForAll();
const fixture = relayFixtures(postgresForAll(), nats);

/** `aggregate-transport outbox relay …` as an operator runs it, until it is asked to end. */
class RelayCommand {
  output = '';
  errors = '';
  readonly ended: Promise<number | null>;
  readonly #child;

  constructor(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    this.#child = spawn(process.execPath, [COMMAND_FILE, 'outbox', 'relay', ...args], {
      env: { ...process.env, ...env },
    });
    diesWithParent(this.#child);
    this.#child.stdout.on('data', (chunk: Buffer) => (this.output += chunk.toString()));
    this.#child.stderr.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
    this.ended = new Promise((resolve) => this.#child.once('exit', resolve));
  }

  async started(): Promise<void> {
    await eventually('the relay to hold its shard', () => this.output.includes('relays shard 1 of 1'));
  }

  end(signal: 'SIGINT' | 'SIGTERM'): Promise<number | null> {
    this.#child.kill(signal);
    return this.ended;
  }
}

test('a relay of its own publishes what is added, in order, tells it line by line, and ends with 0', async () => {
  const world = await fixture();
  const where = ['--topic', world.topic, '--url', world.url, '--schema', world.names.schema];
  const relay = new RelayCommand([...where, '--servers', world.servers, '--json']);
  await relay.started();
  await world.add('a:1', 'b:1');
  await world.add('a:2');
  await world.untilEmpty();
  expect(await world.stored('a')).toEqual(['a:1', 'a:2']);
  expect(await relay.end('SIGTERM')).toBe(0);
  const lines = relay.output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { outcome?: string });
  expect(lines.at(-1)).toMatchObject({ kind: 'outbox-relay', outcome: 'ended' });
  expect(relay.errors).toBe('');
  const next = new RelayCommand([...where, '--server', world.servers]);
  await next.started();
  expect(next.output).not.toContain('\u001b');
  expect(await next.end('SIGINT')).toBe(0);
});

test.each([
  ['the stream is missing', ['--topic', 'no-such-topic'], 'STREAM_MISSING'],
  ['the tables are missing', ['--schema', 'no_such_schema'], 'SCHEMA_MISSING'],
  ['the database is away', ['--url', 'postgres://shop:secret@127.0.0.1:1/shop'], 'POSTGRES_UNAVAILABLE'],
  ['the nats-server is away', ['--server', 'nats://127.0.0.1:1'], 'CONNECTION_FAILED'],
])('ends with 1 and the code, and leaves no process behind, if %s', async (_what, args, code) => {
  const world = await fixture();
  const where = ['--topic', world.topic, '--url', world.url, '--schema', world.names.schema];
  const given = args.includes('--topic') ? where.slice(2) : where;
  const relay = new RelayCommand([...given, '--server', world.servers, ...args]);
  expect(await relay.ended).toBe(1);
  expect(relay.errors).toContain(code);
  expect(relay.errors).not.toContain('secret');
});

test('inbox reset asks, removes the rows that it names, and says how many', async () => {
  const world = await fixture();
  const { names, url, pool } = world;
  const table = `"${names.schema}".inbox`;
  await pool.query(
    `insert into ${table} (consumer_group, topic, aggregate, position, fencing_token) values
     ('g', 'orders', 'a', 1, 9), ('g', 'orders', 'b', 1, 9), ('other', 'orders', 'a', 1, 9)`,
  );
  const inbox = (...args: string[]): ReturnType<typeof runCommand> =>
    runCommand({ args: ['inbox', 'reset', 'g', ...args, '--url', url, '--schema', names.schema] });
  expect(await inbox()).toMatchObject({ code: 2, errors: expect.stringContaining('is applied again') });
  expect(await inbox('a', '--yes')).toMatchObject({ code: 2, errors: expect.stringContaining('--topic') });
  const one = await inbox('a', '--topic', 'orders', '--yes', '--json');
  expect(readJsonLines(one.output)).toMatchObject([
    { group: 'g', topic: 'orders', aggregateId: 'a', removed: 1 },
  ]);
  expect(await inbox('--yes')).toMatchObject({ code: 0, output: 'group "g": 1 rows removed\n' });
  const { rows } = await pool.query(`select consumer_group as group from ${table}`);
  expect(rows).toEqual([{ group: 'other' }]);
});

test.each([
  ['outbox list --by-day', 'expected an option of "outbox list", found --by-day'],
  ['outbox list --server x', 'expected an option of "outbox list", found --server'],
  [
    'outbox relay --topic a --creds x --token y',
    'expected one kind of credentials, found --token and --creds',
  ],
  ['outbox relay --topic a --tlscert x', 'expected --tlscert and --tlskey together'],
  ['outbox relay --topic a --context no-such', 'no-such'],
  ['outbox list a', 'expected nothing after "outbox list", found "a"'],
  ['outbox list --topic a --topic b', 'expected --topic once, found a and b'],
  ['outbox retry a --all', 'expected an aggregate or --all, found "a" and --all'],
  ['outbox relay --topic a --shards 3', 'expected --shards to be a power of two'],
  ['outbox relay --topic a --creds no/such/file', 'expected --creds to name a file that can be read'],
  ['outbox drop', 'unknown command "outbox drop"'],
  ['inbox drop', 'unknown command "inbox drop"'],
  ['postgres print --url x', 'expected an option of "postgres print", found --url'],
])('%s ends with 2 and says what it expected', async (words, text) => {
  const env = { DATABASE_URL: 'postgres://127.0.0.1:1/x' };
  const { code, output, errors } = await runCommand({ args: words.split(' '), env });
  expect({ code, output }).toEqual({ code: 2, output: '' });
  expect(errors).toContain(text);
});

describe('on a nats-server that asks for credentials', () => {
  let server: NatsServer;
  let folder: string;
  let creds: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'creds-'));
    const made = credentials();
    creds = join(folder, 'app.creds');
    await writeFile(creds, made.file);
    server = await startNatsServer({ config: made.config });
    // The service that publishes makes the stream.
    const connection = { authenticator: credsAuthenticator(Buffer.from(made.file)) };
    const app = await startApp({
      options: { servers: server.url, connection, topics: { guarded: {} } },
      publishers: ['guarded'],
    });
    await app.close();
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true });
  });

  test('credentials let the relay in: by option, by variable, by context. Without any the start ends with 1', async () => {
    const { url, names } = await fixture();
    const where = ['--url', url, '--schema', names.schema, '--topic', 'guarded'];
    const without = new RelayCommand([...where, '--server', server.url]);
    expect(await without.ended).toBe(1);
    expect(without.errors).toContain('CONNECTION_FAILED');
    const context = join(folder, 'nats', 'context', 'ours.json');
    await mkdir(dirname(context), { recursive: true });
    await writeFile(context, JSON.stringify({ url: server.url, creds }));
    const ways: [string[], Record<string, string>?][] = [
      [['--server', server.url, '--creds', creds]],
      [[], { NATS_URL: server.url, NATS_CREDS: creds }],
      [['--context', 'ours'], { XDG_CONFIG_HOME: folder }],
    ];
    for (const [args, env] of ways) {
      const relay = new RelayCommand([...where, ...args], env);
      await relay.started();
      expect(await relay.end('SIGTERM')).toBe(0);
    }
  });
});

/** An operator with one account and one user of it, as `nsc` would make them. */
function credentials(): { config: string; file: string } {
  const [operator, account, user] = [createOperator(), createAccount(), createUser()];
  const system = createAccount();
  const unlimited = { subs: -1, data: -1, payload: -1 };
  const limits = { ...unlimited, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 };
  const jetstream = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const accountClaims = { limits: { ...limits, ...jetstream }, type: 'account', version: 2 };
  const signed = (subject: KeyPair, issuer: KeyPair, claims: object): string =>
    jwtOf({ sub: subject.getPublicKey(), iss: issuer.getPublicKey(), nats: claims }, issuer);
  const operatorJwt = signed(operator, operator, { type: 'operator', version: 2 });
  const accountJwt = signed(account, operator, accountClaims);
  const systemJwt = signed(system, operator, { limits, type: 'account', version: 2 });
  const userJwt = signed(user, account, { ...unlimited, pub: {}, sub: {}, type: 'user', version: 2 });
  const seed = Buffer.from(user.getSeed()).toString();
  return {
    config: `operator: ${operatorJwt}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: { ${account.getPublicKey()}: ${accountJwt}, ${system.getPublicKey()}: ${systemJwt} }`,
    file: `-----BEGIN NATS USER JWT-----
${userJwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${seed}
------END USER NKEY SEED------
`,
  };
}

function jwtOf(claims: object, issuer: KeyPair): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ jti: 'x', iat: 1, ...claims })}`;
  return `${body}.${Buffer.from(issuer.sign(Buffer.from(body))).toString('base64url')}`;
}
