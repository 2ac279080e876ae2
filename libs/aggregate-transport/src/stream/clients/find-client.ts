import { createRequire } from 'node:module';
import { join } from 'node:path';
import { AggregateTransportError } from '../../errors.js';
import type { NatsClientName } from '../port/nats-port.js';
import type { ClientModule } from './client-module.js';
import { loadNats } from './nats-client.js';
import { loadNatsIo } from './nats-io-client.js';

/** Which client a process uses that has both and no option; for tests and for the command line. */
export const CLIENT_VARIABLE = 'AGGREGATE_CLIENT';

const CLIENT_NAMES = ['nats', 'nats-io'] as const satisfies readonly NatsClientName[];

const PACKAGES: Readonly<Record<NatsClientName, string>> = {
  nats: 'nats',
  'nats-io': '@nats-io/transport-node',
};

/** Loads a client, or finds out whether it is there; replaced in tests. */
export interface ClientLoader {
  readonly load: Readonly<Record<NatsClientName, () => Promise<ClientModule>>>;
  /** For a sentence in the log only: what the project in the working directory finds. */
  readonly isInstalled: (packageName: string) => boolean;
}

const LOADER: ClientLoader = {
  load: { nats: loadNats, 'nats-io': loadNatsIo },
  isInstalled: (name) => {
    try {
      createRequire(join(process.cwd(), 'package.json')).resolve(name);
      return true;
    } catch {
      return false;
    }
  },
};

export interface FoundClient {
  readonly name: NatsClientName;
  readonly module: ClientModule;
  /** Both are installed, and nothing says which one is meant. */
  readonly isGuess: boolean;
}

/**
 * Loads the client that is meant: the one that is asked for, else that of the environment, else the one that is
 * installed. Of two that are installed it is `nats`, so that an upgrade changes nothing.
 * @throws CLIENT_MISSING naming what to install
 * @throws OPTIONS_INVALID if the environment names no client
 */
export async function findClient(
  wanted: NatsClientName | undefined,
  { load, isInstalled }: ClientLoader = LOADER,
): Promise<FoundClient> {
  const asked = wanted ?? clientOfEnvironment();
  for (const name of asked === undefined ? CLIENT_NAMES : [asked]) {
    try {
      const module = await load[name]();
      const isGuess = asked === undefined && name === 'nats' && isInstalled(PACKAGES['nats-io']);
      return { name, module, isGuess };
    } catch (error) {
      if (!isMissing(error, PACKAGES[name])) throw error;
    }
  }
  throw missing(asked);
}

function clientOfEnvironment(): NatsClientName | undefined {
  const text = process.env[CLIENT_VARIABLE] ?? '';
  if (text === '') return undefined;
  const found = CLIENT_NAMES.find((name) => name === text);
  if (found !== undefined) return found;
  throw new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected ${CLIENT_VARIABLE} to be ${CLIENT_NAMES.join(' or ')}, found "${text}"; correct or unset it`,
  );
}

function missing(asked: NatsClientName | undefined): AggregateTransportError {
  const expected = asked === undefined ? 'a NATS client' : `the NATS client ${PACKAGES[asked]}`;
  const commands =
    asked === undefined
      ? `npm install ${PACKAGES['nats-io']} (or npm install ${PACKAGES.nats})`
      : `npm install ${PACKAGES[asked]}, or choose the other one with option client`;
  return new AggregateTransportError(
    'CLIENT_MISSING',
    `expected ${expected} to be installed, found none; run ${commands}`,
  );
}

/** A package that is installed and fails to load for another reason keeps its own error. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  const isNotFound = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  return isNotFound && typeof message === 'string' && message.includes(`'${name}'`);
}
