import { nkeys } from '@nats-io/nats-core';
import type { NatsAuthenticator, NatsClientName } from 'nestjs-aggregate-transport';
import { BareServer } from '../bare-server.js';
import { TcpProxy } from '../tcp-proxy.js';
import { AuthCallout } from './auth-callout.js';
import { type Authenticators, AUTHENTICATORS } from './clients.js';
import { Operator } from './operator.js';
import { type Access, closing, type OpenWay, type Way } from './way.js';

/** A server takes one secret, and later another. */
interface Secret {
  readonly name: string;
  readonly config: (secret: string) => string;
  readonly fixed: (secret: string, make: Authenticators) => Access['connection'];
  readonly renewing: (secret: () => string, make: Authenticators) => Access['connection'];
  readonly secrets?: readonly [first: string, second: string];
}

const users = (password: string): string =>
  `accounts { A: { jetstream: enabled, users: [ { user: svc, password: "${password}" } ] } }`;
/** From the first attempt on: long enough for a start on a busy machine. */
const BRIEF_S = 4;

const seedOf = (): string => new TextDecoder().decode(nkeys.createUser().getSeed());
const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');

const SECRETS: readonly Secret[] = [
  {
    name: 'user and password',
    config: users,
    fixed: (pass) => ({ user: 'svc', pass }),
    renewing: (pass, make) => ({ authenticator: make.user('svc', pass) }),
  },
  {
    name: 'token',
    config: (token) => `authorization { token: "${token}" }`,
    fixed: (token) => ({ token }),
    renewing: (token, make) => ({ authenticator: make.token(token) }),
  },
  {
    name: 'nkey',
    config: (seed) =>
      `authorization { timeout: 20 }\naccounts { A: { jetstream: enabled, users: [ { nkey: ${nkeys.fromSeed(bytes(seed)).getPublicKey()} } ] } }`,
    fixed: (seed, make) => ({ authenticator: make.nkey(() => bytes(seed)) }),
    renewing: (seed, make) => ({ authenticator: make.nkey(() => bytes(seed())) }),
    secrets: [seedOf(), seedOf()],
  },
];

function wayOf({ name, config, fixed, renewing, secrets = ['first-secret', 'second-secret'] }: Secret): Way {
  return {
    name,
    async open(): Promise<OpenWay> {
      let [current] = secrets;
      const server = await BareServer.start(() => config(current), '');
      const servers = server.url;
      const access =
        (connection: (make: Authenticators) => Access['connection']) =>
        (client: NatsClientName): Access => ({
          ...{ client, servers },
          connection: connection(AUTHENTICATORS[client])!,
        });
      return {
        right: access((make) => fixed(secrets[0], make)),
        renewing: access((make) => renewing(() => current, make)),
        wrong: access((make) => fixed(secrets[1], make)),
        async rotate() {
          [, current] = secrets;
          await server.reload(() => config(current));
        },
        close: () => server.stop(),
      };
    },
  };
}

/** As a user writes it into an address. */
const inAddress: Way = {
  name: 'user and password in the address',
  async open() {
    let password = 'first:s@cret';
    const server = await BareServer.start(() => users(password), '');
    const address = (pass: string): string =>
      `nats://svc:${encodeURIComponent(pass)}@127.0.0.1:${server.ports.client}`;
    const first = address(password);
    return {
      right: (client) => ({ client, servers: first }),
      wrong: (client) => ({ client, servers: address('guessed') }),
      async rotate() {
        password = 'second';
        await server.reload(() => users(password));
      },
      close: () => server.stop(),
    };
  },
};

const creds: Way = {
  name: 'credentials file (JWT)',
  async open() {
    const operator = new Operator();
    const server = await BareServer.start(() => operator.config(), '');
    const servers = server.url;
    let isReplaced = false;
    const access =
      (of: Operator) =>
      (client: NatsClientName): Access => ({
        ...{ client, servers },
        connection: { authenticator: of.authenticator() },
      });
    return {
      right: access(operator),
      // It expires by itself.
      fixed: (client) => {
        const authenticator = operator.authenticator({ expiresInS: BRIEF_S });
        return { client, servers, connection: { authenticator } };
      },
      renewing: (client) => {
        const [brief, later] = [operator.authenticator({ expiresInS: BRIEF_S }), operator.authenticator()];
        const authenticator: NatsAuthenticator = (nonce) => (isReplaced ? later : brief)(nonce);
        return { client, servers, connection: { authenticator } };
      },
      wrong: access(new Operator()),
      rotate() {
        isReplaced = true;
        return Promise.resolve();
      },
      close: () => server.stop(),
    };
  },
};

const callout: Way = {
  name: 'auth callout',
  async open() {
    const responder = new AuthCallout();
    const server = await BareServer.start(() => responder.config(), '');
    await responder.answer(server.url);
    const proxy = await TcpProxy.listen(server.ports.client);
    const servers = proxy.url;
    return {
      right: (client) => ({ client, servers, connection: { user: 'anyone', pass: 'one' } }),
      renewing: (client) => ({
        ...{ client, servers },
        connection: { authenticator: AUTHENTICATORS[client].user('anyone', () => responder.password) },
      }),
      wrong: (client) => ({ client, servers, connection: { user: 'anyone', pass: 'guessed' } }),
      rotate() {
        responder.password = 'two';
        proxy.cut();
        return Promise.resolve();
      },
      close: closing(
        () => server.stop(),
        () => responder.stop(),
        () => proxy.close(),
      ),
    };
  },
};

export const CREDENTIAL_WAYS: readonly Way[] = [...SECRETS.map(wayOf), inAddress, creds, callout];
