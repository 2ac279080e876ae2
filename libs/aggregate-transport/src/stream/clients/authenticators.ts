import type { NatsClientName } from '../port/nats-port.js';
import type { NatsAuthenticator } from './client-options.js';
import { findClient } from './find-client.js';

/** Ways to answer a server that asks for credentials, for `connection.authenticator`. */
export interface NatsAuthenticators {
  /** From the content of a credentials file. */
  readonly credsAuthenticator: (creds: Uint8Array) => NatsAuthenticator;
  /** From the seed of an nkey. */
  readonly nkeyAuthenticator: (seed: Uint8Array) => NatsAuthenticator;
  /** From a JWT and the seed that signs for it; that of a bearer needs no seed. */
  readonly jwtAuthenticator: (jwt: string, seed?: Uint8Array) => NatsAuthenticator;
}

/**
 * The authenticators of the installed client, for code that must work with either. A service that has chosen its client
 * imports them from there.
 * @throws CLIENT_MISSING if no client is installed, or not the one that is asked for
 */
export async function natsAuthenticators(client?: NatsClientName): Promise<NatsAuthenticators> {
  const { module } = await findClient(client);
  return {
    credsAuthenticator: (creds) => module.credsAuthenticator(creds),
    nkeyAuthenticator: (seed) => module.nkeyAuthenticator(seed),
    jwtAuthenticator: (jwt, seed) => module.jwtAuthenticator(jwt, seed),
  };
}
