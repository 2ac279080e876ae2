import { AggregateTransportError } from '../../errors.js';
import type { NatsPort } from '../port/nats-port.js';
import type { JetStreamPlace } from './jetstream-place.js';
import { isServerAtLeast, OLDEST_SERVER } from './server-version.js';

/** @throws SERVER_TOO_OLD, JETSTREAM_UNAVAILABLE */
export function checkServer(nats: NatsPort, { option }: JetStreamPlace): void {
  const version = nats.info?.version ?? '0.0.0';
  if (!isServerAtLeast(version, OLDEST_SERVER)) {
    throw new AggregateTransportError(
      'SERVER_TOO_OLD',
      `expected nats-server ${OLDEST_SERVER.slice(0, 2).join('.')} or newer, found ${version}; upgrade the server`,
    );
  }
  // A leaf node without JetStream reaches that of its hub.
  if (option === undefined && nats.info?.jetstream !== true) {
    throw new AggregateTransportError(
      'JETSTREAM_UNAVAILABLE',
      `expected a server with JetStream, found ${version} without it; start nats-server with -js or a jetstream block, ` +
        'or, if this is a leaf node, set jetstream.domain to the domain of its hub',
    );
  }
}
