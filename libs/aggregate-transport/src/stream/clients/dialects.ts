import type { NatsClientName } from '../port/nats-port.js';
import type { Dialect } from './dialect.js';
import { natsDialect } from './nats-dialect.js';
import { natsIoDialect } from './nats-io-dialect.js';

export const DIALECTS: Readonly<Record<NatsClientName, Dialect>> = {
  nats: natsDialect,
  'nats-io': natsIoDialect,
};

/** Which client a connection is of: the older one makes JetStream contexts itself. */
export function dialectOf(connection: object): Dialect {
  const { jetstream } = connection as { jetstream?: unknown };
  return typeof jetstream === 'function' ? natsDialect : natsIoDialect;
}
