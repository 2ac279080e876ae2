import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Certificates } from '../../support/access/certificates.js';
import { Operator } from '../../support/access/operator.js';
import { accountsOf, TOPIC } from '../../support/access/place-ways.js';
import { startApp } from '../../support/app.js';
import { BareServer } from '../../support/bare-server.js';
import { runCommand } from '../../support/command.js';

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
