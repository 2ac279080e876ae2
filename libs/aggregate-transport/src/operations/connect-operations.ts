import { systemClock } from '../clock.js';
import { silentLog } from '../log.js';
import { JetStreamApi } from '../stream/api/jetstream-api.js';
import { isOpenConnection } from '../stream/clients/open-connection.js';
import { Connection } from '../stream/connection/connection.js';
import { jetStreamPlaceOf } from '../stream/connection/jetstream-place.js';
import { withCredentialsOfAddresses } from '../stream/connection/server-address.js';
import { OperatedServerWire } from '../stream/operating/topic-wire.js';
import type { ConnectOperationsOptions } from './connect-options.js';
import type { ConnectedOperations } from './operations.js';
import { ServerOperations } from './server-operations.js';

const NAME = 'aggregate-transport-operations';
const DEFAULT_SERVER = 'nats://127.0.0.1:4222';

/**
 * Opens a connection for tools of operators. It dials again by itself; calls reject while it is away. Close it when it
 * is no longer needed.
 * @throws CONNECTION_FAILED, CLIENT_MISSING, SERVER_TOO_OLD, JETSTREAM_UNAVAILABLE, OPTIONS_INVALID
 */
export async function connectOperations(
  options: ConnectOperationsOptions = {},
): Promise<ConnectedOperations> {
  const { client, jetstream, mayWait = false, connection: given = {}, servers = DEFAULT_SERVER } = options;
  const isMade = typeof given === 'function' || isOpenConnection(given);
  const source = isMade ? given : withCredentialsOfAddresses({ servers, ...given });
  const connection = await Connection.open(source, NAME, silentLog, {
    ...{ client, mayWait },
    jetStream: jetStreamPlaceOf(jetstream),
  });
  const access = { connection, api: new JetStreamApi(connection) };
  return new ConnectedServerOperations(access, connection);
}

class ConnectedServerOperations extends ServerOperations implements ConnectedOperations {
  constructor(
    access: { readonly connection: Connection; readonly api: JetStreamApi },
    private readonly connection: Connection,
  ) {
    super(new OperatedServerWire(access, systemClock), systemClock);
  }

  isConnected(): boolean {
    return this.connection.connected;
  }

  endedBy(): string | undefined {
    return this.connection.endedBy;
  }

  close(): Promise<void> {
    return this.connection.close();
  }
}
