import type { Log } from '../log.js';
import { Connection } from '../stream/connection/connection.js';
import { jetStreamPlaceOf } from '../stream/connection/jetstream-place.js';
import { withCredentialsOfAddresses } from '../stream/connection/server-address.js';
import { accessOf } from './access/connection-options.js';
import type { AccessFlags } from './command/access-flags.js';

const NAME = 'aggregate-transport-cli';

/** Opens a connection by the options every command has, and closes it when `use` has ended. */
export async function connectedBy(
  flags: AccessFlags,
  log: Log,
  use: (connection: Connection) => Promise<number>,
): Promise<number> {
  const { connection: options, jetstream } = await accessOf(flags);
  const connection = await Connection.open(withCredentialsOfAddresses(options), NAME, log, {
    mayWait: false,
    jetStream: jetStreamPlaceOf(jetstream),
  });
  try {
    return await use(connection);
  } finally {
    await connection.close();
  }
}
