import * as natsIo from '@nats-io/transport-node';
import * as nats from 'nats';
import type { NatsAuthenticator, NatsClientName } from 'nestjs-aggregate-transport';

/** The NATS clients that the ways in are tried with: the one of AGGREGATE_CLIENT, else both. */
export const CLIENTS: readonly NatsClientName[] =
  process.env['AGGREGATE_CLIENT'] === undefined
    ? ['nats', 'nats-io']
    : [process.env['AGGREGATE_CLIENT'] as NatsClientName];

/** What makes credentials for a client. */
export interface Authenticators {
  readonly user: (user: string, pass: () => string) => NatsAuthenticator;
  readonly token: (token: () => string) => NatsAuthenticator;
  readonly nkey: (seed: () => Uint8Array) => NatsAuthenticator;
  readonly creds: (creds: () => Uint8Array) => NatsAuthenticator;
}

function of(module: typeof nats | typeof natsIo): Authenticators {
  return {
    user: module.usernamePasswordAuthenticator,
    token: module.tokenAuthenticator,
    nkey: module.nkeyAuthenticator,
    creds: module.credsAuthenticator,
  };
}

export const AUTHENTICATORS: Readonly<Record<NatsClientName, Authenticators>> = {
  nats: of(nats),
  'nats-io': of(natsIo),
};
