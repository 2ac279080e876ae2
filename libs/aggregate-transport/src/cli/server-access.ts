import { readFile } from 'node:fs/promises';
import { describeError } from '../errors.js';
import { silentLog } from '../log.js';
import { natsAuthenticators } from '../stream/clients/authenticators.js';
import type { NatsConnectionOptions } from '../stream/clients/client-options.js';
import { Connection } from '../stream/connection/connection.js';
import { withCredentialsOfAddresses } from '../stream/connection/server-address.js';
import type { COMMON, FlagValues } from './command/command.js';
import { UsageError } from './command/terminal.js';

/** Opens a connection by the options every command has, and closes it when `use` has ended. */
export async function connectedBy(
  flags: FlagValues<typeof COMMON>,
  use: (connection: Connection) => Promise<number>,
): Promise<number> {
  const servers = flags.server ?? flags.servers ?? process.env['NATS_URL'] ?? 'nats://127.0.0.1:4222';
  const credentials = flags.creds === undefined ? {} : await credentialsOf(flags.creds);
  const options = withCredentialsOfAddresses({ servers, ...credentials });
  const connection = await Connection.open(options, 'aggregate-transport-cli', silentLog, { mayWait: false });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}

async function credentialsOf(file: string): Promise<NatsConnectionOptions> {
  const creds = await readCredentials(file);
  const { credsAuthenticator } = await natsAuthenticators();
  return { authenticator: credsAuthenticator(creds) };
}

async function readCredentials(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    throw new UsageError(`expected --creds to name a file that can be read, found ${describeError(error)}`);
  }
}
