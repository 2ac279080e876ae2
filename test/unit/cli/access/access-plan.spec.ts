import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type AccessPlan, planAccess } from '#library/cli/access/access-plan.js';
import { contextFolder, readContext } from '#library/cli/access/context-files.js';
import {
  ACCESS_FLAGS,
  type AccessFlags,
  flagsOfEnvironment,
  flagsTo,
  type NatsContext,
} from '#library/cli/command/access-flags.js';
import { readCommandLine } from '#library/cli/command-line.js';
import { COMMANDS } from '#library/cli/commands.js';

const NOTHING: AccessPlan = {
  servers: ['nats://127.0.0.1:4222'],
  credentials: { kind: 'none' },
  tls: undefined,
  inboxPrefix: undefined,
  jetstream: {},
};

function plan(
  flags: AccessFlags,
  variables: Record<string, string> = {},
  context: NatsContext = {},
): AccessPlan {
  return planAccess({ flags, environment: flagsOfEnvironment(variables), context });
}

describe('what a command line is told of its servers', () => {
  test('is the local server without any word', () => {
    expect(plan({})).toEqual(NOTHING);
    expect(plan({}, { NATS_URL: '', NATS_CREDS: '' })).toEqual(NOTHING);
  });

  test.each<[AccessFlags, Partial<AccessPlan>]>([
    [{ server: 'nats://a, nats://b' }, { servers: ['nats://a', 'nats://b'] }],
    [{ servers: 'a' }, { servers: ['a'] }],
    [{ user: 'u', password: 'p' }, { credentials: { kind: 'user', user: 'u', password: 'p' } }],
    [{ user: 't' }, { credentials: { kind: 'token', token: 't' } }],
    [{ token: 't' }, { credentials: { kind: 'token', token: 't' } }],
    [{ creds: 'f' }, { credentials: { kind: 'creds', file: 'f' } }],
    [{ nkey: 'f' }, { credentials: { kind: 'nkey', file: 'f' } }],
    [{ tlsca: 'ca' }, { tls: { caFile: 'ca' } }],
    [
      { tlscert: 'c', tlskey: 'k', tlsfirst: true },
      { tls: { certFile: 'c', keyFile: 'k', handshakeFirst: true } },
    ],
    [{ 'inbox-prefix': 'I' }, { inboxPrefix: 'I' }],
    [{ 'js-domain': 'hub' }, { jetstream: { domain: 'hub' } }],
    [{ 'js-api-prefix': 'JS.a' }, { jetstream: { apiPrefix: 'JS.a' } }],
  ])('flags: %j', (flags, expected) => {
    expect(plan(flags)).toEqual({ ...NOTHING, ...expected });
  });

  test.each<[Record<string, string>, Partial<AccessPlan>]>([
    [{ NATS_URL: 'nats://a,nats://b' }, { servers: ['nats://a', 'nats://b'] }],
    [{ NATS_USER: 'u', NATS_PASSWORD: 'p' }, { credentials: { kind: 'user', user: 'u', password: 'p' } }],
    [{ NATS_TOKEN: 't' }, { credentials: { kind: 'token', token: 't' } }],
    [{ NATS_CREDS: 'f' }, { credentials: { kind: 'creds', file: 'f' } }],
    [{ NATS_NKEY: 'f' }, { credentials: { kind: 'nkey', file: 'f' } }],
    [
      { NATS_CA: 'ca', NATS_CERT: 'c', NATS_KEY: 'k' },
      { tls: { caFile: 'ca', certFile: 'c', keyFile: 'k' } },
    ],
    [
      { NATS_TLS_FIRST: 'true', NATS_INBOX_PREFIX: 'I' },
      { tls: { handshakeFirst: true }, inboxPrefix: 'I' },
    ],
  ])('variables: %j', (variables, expected) => {
    expect(plan({}, variables)).toEqual({ ...NOTHING, ...expected });
  });

  test('a context, with all of its fields', () => {
    const context = {
      ...{ url: 'tls://a,tls://b', nkey: 'seed', user_jwt: 'e30', ca: 'ca', cert: 'c', key: 'k' },
      ...{ tls_first: true, inbox_prefix: 'I', jetstream_domain: 'hub', user: '', password: '', creds: '' },
    };
    expect(plan({}, {}, context)).toEqual({
      servers: ['tls://a', 'tls://b'],
      credentials: { kind: 'nkey', file: 'seed', jwt: 'e30' },
      tls: { caFile: 'ca', certFile: 'c', keyFile: 'k', handshakeFirst: true },
      inboxPrefix: 'I',
      jetstream: { domain: 'hub' },
    });
    const jwt = { user_jwt: 'e30', user_seed: 'SU', token: 't' };
    expect(plan({}, {}, jwt).credentials).toEqual({ kind: 'jwt', jwt: 'e30', seed: 'SU' });
    expect(plan({}, {}, { user_jwt: 'e30' }).credentials).toEqual({ kind: 'jwt', jwt: 'e30' });
    expect(plan({}, {}, { ...jwt, creds: 'f' }).credentials).toEqual({ kind: 'creds', file: 'f' });
    expect(plan({ nkey: 'f' }, {}, jwt).credentials).toEqual({ kind: 'nkey', file: 'f' });
    expect(plan({}, {}, { user: 'u', password: 'p', creds: 'f' }).credentials).toEqual({
      ...{ kind: 'user', user: 'u', password: 'p' },
    });
  });

  test('a flag wins over a variable, and that over the context; credentials go as a whole', () => {
    const context = { url: 'c', user: 'u', password: 'of-context', ca: 'ca', jetstream_domain: 'hub' };
    const variables = { NATS_URL: 'v', NATS_USER: 'w', NATS_PASSWORD: 'of-variable' };
    expect(plan({ server: 'f' }, variables, context).servers).toEqual(['f']);
    expect(plan({}, variables, context).servers).toEqual(['v']);
    expect(plan({}, variables, context).credentials).toMatchObject({ user: 'w', password: 'of-variable' });
    expect(plan({ creds: 'x' }, variables, context).credentials).toEqual({ kind: 'creds', file: 'x' });
    expect(plan({ 'js-api-prefix': 'P' }, {}, context)).toMatchObject({
      tls: { caFile: 'ca' },
      jetstream: { apiPrefix: 'P' },
    });
  });

  test.each<[AccessFlags, RegExp]>([
    [{ creds: 'a', user: 'u', password: 'hidden' }, /one kind of credentials, found --user and --creds/],
    [{ tlscert: 'c' }, /--tlscert and --tlskey together/],
  ])('refuses %j', (flags, text) => {
    expect(() => plan(flags)).toThrow(text);
    expect(() => plan(flags)).not.toThrow(/hidden/);
  });
});

test.each(COMMANDS.map(({ name }) => name))('%s takes every way in', (name) => {
  const flags = Object.entries(ACCESS_FLAGS).flatMap(([flag, type]) =>
    type === 'string' ? [`--${flag}`, 'x'] : [`--${flag}`],
  );
  const { command, input } = readCommandLine([...name.split(' '), ...flags], COMMANDS);
  expect(command?.name).toBe(name);
  expect(Object.keys(input.flags).sort()).toEqual(Object.keys(ACCESS_FLAGS).sort());
});

test('another server takes credentials of its own instead of all others', () => {
  const flags = { server: 'a', user: 'u', password: 'p', tlsca: 'ca' };
  expect(flagsTo(flags, 'b', undefined)).toEqual({ ...flags, server: 'b' });
  expect(flagsTo(flags, 'b', 'f')).toEqual({ server: 'b', creds: 'f', tlsca: 'ca' });
});

describe('contexts of the nats command line', () => {
  let folder = '';
  beforeAll(async () => {
    folder = join(await mkdtemp(join(tmpdir(), 'contexts-')), 'nats');
    await mkdir(join(folder, 'context'), { recursive: true });
    await writeFile(join(folder, 'context.txt'), 'one\n');
    await writeFile(
      join(folder, 'context/one.json'),
      '{"description":"","url":"nats://one","password":"pw"}',
    );
    await writeFile(join(folder, 'context/bad.json'), '{"password":"hidden"');
    const others = {
      nsc: { nsc: 'nsc://a/b/c' },
      proxied: { socks_proxy: 'socks5://hidden@proxy' },
      store: { windows_cert_store: 'user' },
      vault: { creds: 'op://hidden/item/creds' },
      inline: { nkey: 'data:;base64,hidden' },
      variable: { user: 'u', password: 'env://hidden' },
      signed: { user_jwt: 'e30', user_seed: 'op://hidden/seed' },
      files: {
        ...{ creds: '~/one.creds', ca: '$CERTS/ca.pem', cert: 'file:///c.pem', key: '${CERTS}/key.pem' },
        ...{ password: 'pw:with$HOME', nkey: 'C:\\nkey', description: '', color_scheme: 'red' },
      },
    };
    for (const [name, content] of Object.entries(others))
      await writeFile(join(folder, `context/${name}.json`), JSON.stringify(content));
  });
  afterAll(() => rm(join(folder, '..'), { recursive: true }));

  test('lie where the nats command line keeps them', () => {
    expect(contextFolder({ XDG_CONFIG_HOME: '/c', HOME: '/h' })).toBe(join('/c', 'nats'));
    expect(contextFolder({ HOME: '/h' })).toBe(join('/h', '.config', 'nats'));
    expect(contextFolder({})).toBeUndefined();
  });

  test('are read by name, or as selected; without any there is none', async () => {
    expect(await readContext('one', folder)).toMatchObject({ url: 'nats://one' });
    expect(await readContext(undefined, folder)).toMatchObject({ url: 'nats://one' });
    expect(await readContext(undefined, join(folder, 'none'))).toEqual({});
    expect(await readContext(undefined, undefined)).toEqual({});
  });

  test('name files as the nats command line does: with ~, variables and file://', async () => {
    const environment = { HOME: '/home/me', CERTS: '/certs' };
    expect(await readContext('files', folder, environment)).toMatchObject({
      ...{ creds: '/home/me/one.creds', ca: '/certs/ca.pem', cert: '/c.pem', key: '/certs/key.pem' },
      ...{ password: 'pw:with$HOME', nkey: 'C:\\nkey' },
    });
  });

  test.each([
    ['none', /expected context "none" in .*none\.json, found no file/],
    ['../one', /expected the name of a context, found "\.\.\/one"/],
    ['bad', /expected .*bad\.json to hold a JSON object/],
    ['nsc', /expected a context without "nsc"/],
    ['proxied', /expected a context without "socks_proxy"/],
    ['store', /expected a context without "windows_cert_store"/],
    ['vault', /expected "creds" of a context to be a file, found op: in .*vault\.json/],
    ['inline', /expected "nkey" of a context to be a file, found data: in /],
    ['variable', /expected "password" of a context to be the text itself, found env: in /],
    ['signed', /expected "user_seed" of a context to be the text itself, found op: in /],
  ])('%s is refused, and nothing of it shown', async (name, text) => {
    const reading = readContext(name, folder);
    await expect(reading).rejects.toThrow(text);
    await expect(reading).rejects.not.toThrow(/hidden/);
  });
});
