import { AggregateTransportError } from '../../errors.js';
import type { NatsConnectionOptions } from '../clients/client-options.js';

/** Credentials as the client's options name them. */
type Credentials = Pick<NatsConnectionOptions, 'user' | 'pass' | 'token'>;

/** Scheme, what stands before the last `@`, and the rest. A password may hold an `@` of its own. */
const ADDRESS = /^(?<scheme>[a-z][a-z0-9+.-]*:\/\/)?(?:(?<userinfo>[^/]*)@)?(?<rest>.*)$/is;

/**
 * Moves credentials out of server addresses, such as `nats://user:pass@host` or `nats://token@host`, into the options
 * the client knows. The client itself ignores them in an address. Pure.
 * @throws OPTIONS_INVALID if addresses, or an address and the options, have different credentials
 */
export function withCredentialsOfAddresses(options: NatsConnectionOptions): NatsConnectionOptions {
  const addresses = options.servers === undefined ? [] : [options.servers].flat();
  const found = addresses.map(credentialsOf).filter((credentials) => credentials !== undefined);
  const [first] = found;
  if (first === undefined) return options;
  if (found.some((other) => !isSame(first, other))) {
    throw invalid('the same credentials in all server addresses, found different ones');
  }
  const { user, pass, token, authenticator } = options;
  const hasOwn = [user, pass, token].some((own) => own !== undefined);
  if (authenticator !== undefined || (hasOwn && !isSame(first, options))) {
    throw invalid('credentials in a server address or in option connection, found different ones in both');
  }
  return { ...options, ...first, servers: addresses.map(withoutCredentials) };
}

/** The addresses of a client's options, for a text: without credentials. Pure. */
export function describeServers({ servers, port }: NatsConnectionOptions): string {
  return [servers ?? `127.0.0.1:${port ?? 4222}`].flat().map(withoutCredentials).join(', ');
}

function withoutCredentials(address: string): string {
  const { scheme = '', rest = '' } = ADDRESS.exec(address)?.groups ?? {};
  return scheme + rest;
}

function credentialsOf(address: string): Credentials | undefined {
  const userinfo = ADDRESS.exec(address)?.groups?.['userinfo'];
  if (userinfo === undefined || userinfo === '') return undefined;
  const colon = userinfo.indexOf(':');
  if (colon === -1) return { token: decoded(userinfo) };
  return { user: decoded(userinfo.slice(0, colon)), pass: decoded(userinfo.slice(colon + 1)) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // No cause: its text may hold the password.
    throw invalid('"%" in the credentials of a server address to be written as "%25", found it alone');
  }
}

function isSame(one: Credentials, other: Credentials): boolean {
  return one.user === other.user && one.pass === other.pass && one.token === other.token;
}

function invalid(expected: string): AggregateTransportError {
  return new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected ${expected}; set connection.user and connection.pass, connection.token, or connection.authenticator`,
  );
}
