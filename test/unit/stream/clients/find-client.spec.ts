import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import type { ClientModule } from '#library/stream/clients/client-module.js';
import { type ClientLoader, CLIENT_VARIABLE, findClient } from '#library/stream/clients/find-client.js';
import type { NatsClientName } from '#library/stream/port/nats-port.js';

const PACKAGES = { nats: 'nats', 'nats-io': '@nats-io/transport-node' } as const;

const before = process.env[CLIENT_VARIABLE];
beforeEach(() => {
  process.env[CLIENT_VARIABLE] = '';
});
afterEach(() => {
  process.env[CLIENT_VARIABLE] = before ?? '';
});

/** As it is where these are installed; notes what is loaded. */
function installed(...names: NatsClientName[]): { loader: ClientLoader; loaded: string[] } {
  const loaded: string[] = [];
  const load = (name: NatsClientName) => (): Promise<ClientModule> => {
    if (names.includes(name)) {
      loaded.push(name);
      return Promise.resolve({} as ClientModule);
    }
    const missing = new Error(`Cannot find package '${PACKAGES[name]}' imported from /app/x.js`);
    return Promise.reject(Object.assign(missing, { code: 'ERR_MODULE_NOT_FOUND' }));
  };
  const isInstalled = (name: string): boolean => names.some((one) => PACKAGES[one] === name);
  return { loader: { load: { nats: load('nats'), 'nats-io': load('nats-io') }, isInstalled }, loaded };
}

describe('the client that is used', () => {
  const both = ['nats', 'nats-io'] as const;
  test.each<{
    has: readonly NatsClientName[];
    option?: NatsClientName;
    environment?: string;
    name: NatsClientName;
    isGuess?: boolean;
  }>([
    { has: ['nats'], name: 'nats' },
    { has: ['nats-io'], name: 'nats-io' },
    { has: both, name: 'nats', isGuess: true },
    { has: both, option: 'nats', name: 'nats' },
    { has: both, option: 'nats-io', name: 'nats-io' },
    { has: both, environment: 'nats-io', name: 'nats-io' },
    { has: both, environment: 'nats', name: 'nats' },
    { has: both, option: 'nats', environment: 'nats-io', name: 'nats' },
  ])('%j', async ({ has, option, environment = '', name, isGuess = false }) => {
    process.env[CLIENT_VARIABLE] = environment;
    const { loader, loaded } = installed(...has);
    expect(await findClient(option, loader)).toMatchObject({ name, isGuess });
    expect(loaded).toEqual([name]);
  });

  test('is missing where neither is installed: the error names both commands', async () => {
    const finding = findClient(undefined, installed().loader);
    await expect(finding).rejects.toMatchObject({ code: 'CLIENT_MISSING' });
    await expect(finding).rejects.toThrow(/npm install @nats-io\/transport-node \(or npm install nats\)/);
  });

  test.each(both)('is missing if option client asks for %s and the other is there', async (asked) => {
    const [other] = both.filter((name) => name !== asked);
    const finding = findClient(asked, installed(other!).loader);
    await expect(finding).rejects.toThrow(`npm install ${PACKAGES[asked]}, or choose the other one`);
  });

  test('is not looked for further if it is there and fails to load', async () => {
    const failure = Object.assign(new Error("Cannot find package 'tweetnacl' imported from nats"), {
      code: 'ERR_MODULE_NOT_FOUND',
    });
    const { loader } = installed('nats-io');
    const load = { ...loader.load, nats: () => Promise.reject(failure) };
    await expect(findClient(undefined, { ...loader, load })).rejects.toBe(failure);
  });

  test('is not a guess of what the environment may have meant', async () => {
    process.env[CLIENT_VARIABLE] = 'nats.io';
    await expect(findClient(undefined, installed('nats').loader)).rejects.toThrow(
      /AGGREGATE_CLIENT to be nats or nats-io, found "nats\.io"/,
    );
  });

  test('is really loaded, either of them', async () => {
    for (const name of both) {
      const { module } = await findClient(name);
      expect(module).toMatchObject({
        connect: expect.any(Function),
        credsAuthenticator: expect.any(Function),
        nkeyAuthenticator: expect.any(Function),
        jwtAuthenticator: expect.any(Function),
      });
    }
  });
});
