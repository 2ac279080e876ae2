import type { NatsAuthenticator } from './client-options.js';
import type { OpenNatsConnection } from './open-connection.js';

/** What is used of a client's package. Both packages have it, under these names. */
export interface ClientModule {
  /** The clients' option types differ in what may be `undefined`, so any object is taken here. */
  connect(options: object): Promise<OpenNatsConnection>;
  credsAuthenticator(creds: Uint8Array): NatsAuthenticator;
  nkeyAuthenticator(seed?: Uint8Array): NatsAuthenticator;
  jwtAuthenticator(jwt: string, seed?: Uint8Array): NatsAuthenticator;
}
