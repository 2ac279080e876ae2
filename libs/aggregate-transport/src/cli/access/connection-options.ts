import { readFile } from 'node:fs/promises';
import { natsAuthenticators } from '../../stream/clients/authenticators.js';
import type { NatsConnectionOptions } from '../../stream/clients/client-options.js';
import type { JetStreamOptions } from '../../stream/connection/jetstream-place.js';
import { type AccessFlags, flagsOfEnvironment } from '../command/access-flags.js';
import { UsageError } from '../command/terminal.js';
import { type AccessPlan, type CredentialSource, planAccess } from './access-plan.js';
import { contextFolder, readContext } from './context-files.js';

const PROXY_VARIABLE = 'NATS_SOCKS_PROXY';

/** How to reach the servers, as the options of a connection. */
export interface Access {
  readonly connection: NatsConnectionOptions;
  readonly jetstream: JetStreamOptions;
}

/**
 * Reads what the options, the environment and the contexts of the `nats` command line say, and the files they name.
 * @throws UsageError
 */
export async function accessOf(flags: AccessFlags): Promise<Access> {
  const plan = await planOf(flags);
  return { connection: await optionsOf(plan), jetstream: plan.jetstream };
}

async function planOf(flags: AccessFlags): Promise<AccessPlan> {
  const environment = flagsOfEnvironment(process.env);
  // A command that passed it over would go to the server by another way than the user wants.
  if ((process.env[PROXY_VARIABLE] ?? '') !== '')
    throw new UsageError(
      `expected no ${PROXY_VARIABLE}, found one; this command line has no proxies, so unset it, or open a tunnel`,
    );
  const name = flags.context ?? environment.context;
  const namesServer = [flags.server, flags.servers, environment.server].some(
    (server) => server !== undefined,
  );
  // The selected context is for the server it names: its credentials must not go to another.
  const isAsked = name !== undefined || !namesServer;
  const context = isAsked ? await readContext(name, contextFolder(process.env), process.env) : {};
  return planAccess({ flags, environment, context });
}

async function optionsOf({
  servers,
  credentials,
  tls,
  inboxPrefix,
}: AccessPlan): Promise<NatsConnectionOptions> {
  return {
    servers: [...servers],
    ...(await credentialOptionsOf(credentials)),
    ...(tls === undefined ? {} : { tls }),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
  };
}

async function credentialOptionsOf(source: CredentialSource): Promise<NatsConnectionOptions> {
  switch (source.kind) {
    case 'none':
      return {};
    case 'user':
      return { user: source.user, pass: source.password };
    case 'token':
      return { token: source.token };
    case 'creds':
      return {
        authenticator: (await natsAuthenticators()).credsAuthenticator(await read('creds', source.file)),
      };
    case 'jwt': {
      const { jwtAuthenticator } = await natsAuthenticators();
      const { jwt, seed } = source;
      const bytes = seed === undefined ? undefined : Buffer.from(seed, 'utf8');
      return { authenticator: jwtAuthenticator(jwt, bytes) };
    }
    case 'nkey': {
      const { jwtAuthenticator, nkeyAuthenticator } = await natsAuthenticators();
      const seed = Buffer.from(
        seedIn((await read('nkey', source.file)).toString('utf8'), source.file),
        'utf8',
      );
      const { jwt } = source;
      return { authenticator: jwt === undefined ? nkeyAuthenticator(seed) : jwtAuthenticator(jwt, seed) };
    }
  }
}

/** A seed may stand between lines that say what it is. */
const SEED = /\bSU[A-Z2-7]{56}\b/;

function seedIn(text: string, file: string): string {
  const [seed] = SEED.exec(text) ?? [];
  if (seed !== undefined) return seed;
  throw new UsageError(`expected --nkey to name a file with the seed of a user, found none in ${file}`);
}

async function read(flag: string, file: string): Promise<Buffer> {
  try {
    return await readFile(file);
  } catch (error) {
    const { code = 'an error' } = error as { readonly code?: string };
    throw new UsageError(`expected --${flag} to name a file that can be read, found ${code} for ${file}`);
  }
}
