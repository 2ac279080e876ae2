import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { diesWithParent } from '#library/verifying/harness/dies-with-parent.js';
import { Certificates } from '../../support/access/certificates.js';
import { Operator } from '../../support/access/operator.js';
import { accountsOf, TOPIC } from '../../support/access/place-ways.js';
import { startApp } from '../../support/app.js';
import { BareServer } from '../../support/bare-server.js';
import { COMMAND_FILE, runCommand } from '../../support/command.js';
import { eventually } from '../../support/eventually.js';

/** A server that takes credentials files over TLS with a client certificate, and one whose JetStream is imported. */
let secured: BareServer;
let shared: BareServer;
let files: Certificates;
let creds = '';
let client = { cert: '', key: '' };

beforeAll(async () => {
  const operator = new Operator();
  files = await Certificates.make();
  const { cert, key } = await files.sign('server');
  client = await files.sign('client');
  const tls = `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${files.ca}", verify: true, timeout: 5 }`;
  secured = await BareServer.start(() => `${operator.config()}\n${tls}`, '');
  shared = await BareServer.start(() => accountsOf(undefined), '');
  creds = files.file('user.creds');
  await writeFile(creds, operator.creds());
  await mkdir(files.file('config/nats/context'), { recursive: true });
  const context = { url: secured.url, creds, ca: files.ca, cert: client.cert, key: client.key };
  await writeFile(files.file('config/nats/context/secured.json'), JSON.stringify(context));
  const app = await startApp({
    options: {
      servers: shared.url,
      connection: { user: 'acme', pass: 'pw' },
      jetstream: { apiPrefix: 'JS.acme.API' },
      topics: { [TOPIC]: {} },
    },
    publishers: [TOPIC],
  });
  await app.close();
}, 60_000);
afterAll(async () => {
  await secured.stop();
  await shared.stop();
  await files.remove();
});

const status = (args: readonly string[], env: Record<string, string> = {}) =>
  runCommand({
    args: ['status', '--json', ...args],
    env: { XDG_CONFIG_HOME: files.file('config'), ...env },
  });

test.each<[string, () => readonly string[], () => Record<string, string>]>([
  [
    'flags',
    () => [
      ...['--server', secured.url, '--creds', creds],
      ...['--tlsca', files.ca, '--tlscert', client.cert, '--tlskey', client.key],
    ],
    () => ({}),
  ],
  [
    'variables',
    () => [],
    () => ({
      ...{ NATS_URL: secured.url, NATS_CREDS: creds },
      ...{ NATS_CA: files.ca, NATS_CERT: client.cert, NATS_KEY: client.key },
    }),
  ],
  ['a context', () => ['--context', 'secured'], () => ({})],
  ['NATS_CONTEXT', () => [], () => ({ NATS_CONTEXT: 'secured' })],
  ['the other client', () => ['--context', 'secured'], () => ({ AGGREGATE_CLIENT: 'nats-io' })],
  [
    'an API prefix',
    () => ['--server', shared.url, '--user', 'acme', '--password', 'pw', '--js-api-prefix', 'JS.acme.API'],
    () => ({}),
  ],
])('the command line gets in with %s', async (_what, args, env) => {
  expect(await status(args(), env())).toEqual({ code: 0, output: '', errors: '' });
});

test.each<[string, readonly string[], RegExp]>([
  ['doctor', ['doctor'], /ok +connection/],
  ['group list', ['group', 'list'], /no group has started yet/],
  ['verify', ['verify', '--clean', '--yes'], /^/],
])('%s gets in with a context, as all commands do', async (_what, args, text) => {
  const env = { XDG_CONFIG_HOME: files.file('config'), NATS_CONTEXT: 'secured' };
  const { code, output, errors } = await runCommand({ args, env });
  expect({ code, errors }).toEqual({ code: 0, errors: '' });
  expect(output).toMatch(text);
});

/** The board as an operator starts it, with what it has said. */
function startBoard(context: string): { readonly board: ChildProcess; readonly said: () => string } {
  const args = [COMMAND_FILE, 'board', '--port', '0', '--context', context];
  const env = { ...process.env, XDG_CONFIG_HOME: files.file('config') };
  const board = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
  diesWithParent(board);
  let said = '';
  board.stdout.on('data', (chunk: Buffer) => (said += chunk.toString()));
  return { board, said: () => said };
}

/** The status of an answer that needs the server; undefined while there is no board. */
async function lookAt(said: string): Promise<number | undefined> {
  const [url] = /http:\S+/.exec(said) ?? [];
  return url === undefined ? undefined : (await fetch(`${url}find?text=a`)).status;
}

test('the board and the server for language models get in with a context', async () => {
  const { board, said } = startBoard('secured');
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(
    new StdioClientTransport({
      ...{ command: process.execPath, args: [COMMAND_FILE, 'mcp', '--context', 'secured'] },
      env: { PATH: process.env['PATH'] ?? '', XDG_CONFIG_HOME: files.file('config') },
    }),
  );
  expect(await client.callTool({ name: 'list_topics', arguments: {} })).toMatchObject({
    content: [{ text: '[]' }],
  });
  await client.close();
  await eventually('its connection', async () => (await lookAt(said())) === 200, 20_000);
  expect(said()).not.toContain('no connection');
  const ended = once(board, 'exit');
  board.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
}, 60_000);

test('the board connects again after its credentials were replaced', async () => {
  const users = (password: string) => (): string =>
    `accounts { A: { jetstream: enabled, users: [ { user: svc, password: "${password}" } ] } }`;
  const server = await BareServer.start(users('first-secret'), '');
  const context = (password: string): Promise<void> =>
    writeFile(
      files.file('config/nats/context/rotated.json'),
      JSON.stringify({ url: server.url, user: 'svc', password }),
    );
  await context('first-secret');
  const { board, said } = startBoard('rotated');
  try {
    await eventually('its connection', async () => (await lookAt(said())) === 200, 20_000);
    await context('second-secret');
    await server.reload(users('second-secret'));
    await eventually('the end of its connection', async () => (await lookAt(said())) !== 200, 20_000);
    await eventually('another one', async () => (await lookAt(said())) === 200, 30_000);
    expect(said()).toMatch(/no connection yet: .*AUTHORIZATION_VIOLATION/);
    expect(said()).not.toMatch(/secret/);
  } finally {
    board.kill('SIGKILL');
    await server.stop();
  }
}, 90_000);

test('a proxy that it would not use is refused', async () => {
  const { code, errors } = await status(['--server', shared.url], {
    NATS_SOCKS_PROXY: 'socks5://secret@proxy',
  });
  expect(code).toBe(2);
  expect(errors).toMatch(/expected no NATS_SOCKS_PROXY, found one/);
  expect(errors).not.toMatch(/secret/);
});

test('what does not let it in is named, and no secret is shown', async () => {
  await writeFile(join(files.file('config/nats'), 'context.txt'), 'secured');
  const wrong = await status(['--server', shared.url, '--user', 'acme', '--password', 'guessed-secret']);
  expect(wrong.code).toBe(1);
  expect(wrong.errors).toContain('AUTHORIZATION_VIOLATION');
  const missing = await status(['--creds', files.file('none'), '--server', shared.url]);
  expect(missing.code).toBe(2);
  expect(missing.errors).toMatch(/--creds to name a file that can be read, found ENOENT/);
  const prefix = await status([
    ...['--server', shared.url, '--user', 'acme', '--password', 'pw', '--js-api-prefix', 'JS.none'],
  ]);
  expect(prefix.errors).toContain('check jetstream.apiPrefix');
  expect([wrong, missing, prefix].map(({ output, errors }) => output + errors).join()).not.toMatch(/secret/);
  // The selected context counts only where no server is named.
  expect((await status([])).code).toBe(0);
});
