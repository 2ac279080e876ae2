import type { NatsConnectionOptions } from '../../../stream/clients/client-options.js';
import { withCredentialsOfAddresses } from '../../../stream/connection/server-address.js';
import type { AggregateTransportOptions, TopicOptions } from '../../../transport/options.js';
import type { ProcessSetup } from '../../../verifying/process-lines.js';
import { accessOf } from '../../access/connection-options.js';

/** How a process of a run reaches its server, through its proxy, and what it makes of streams that are missing. */
export async function transportOptionsOf(
  setup: ProcessSetup,
  topic: TopicOptions,
): Promise<AggregateTransportOptions> {
  const access = await accessOf(setup.access);
  const options = withCredentialsOfAddresses(access.connection);
  delete options.servers;
  // The client passes it on to Node; its own type does not name it.
  const tls = setup.tlsName === undefined ? {} : { tls: { ...options.tls, servername: setup.tlsName } };
  const connection: NatsConnectionOptions = {
    ...options,
    ...tls,
    waitOnFirstConnect: true,
    // A way around its proxy would spare it the faults.
    ignoreClusterUpdates: true,
  };
  const { parkedBytes, positionsBytes } = setup.bound;
  return {
    servers: setup.server,
    connection,
    jetstream: access.jetstream,
    topics: {
      [setup.topic]: {
        ...topic,
        stream: { replicas: setup.copies },
        parked: { maxBytes: parkedBytes },
        positions: { maxBytes: positionsBytes },
      },
    },
  };
}
