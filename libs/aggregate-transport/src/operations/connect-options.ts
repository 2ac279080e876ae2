import type { NatsConnectionSource } from '../stream/clients/client-options.js';
import type { JetStreamOptions } from '../stream/connection/jetstream-place.js';
import type { NatsClientName } from '../stream/port/nats-port.js';

/** How tools of operators reach the server: the options of `AggregateTransportModule.forRoot` that say so. */
export interface ConnectOperationsOptions {
  /** @default 'nats://127.0.0.1:4222' */
  readonly servers?: string | string[];
  /** Options of the client, an open connection, or a function that makes one. An open one stays open. */
  readonly connection?: NatsConnectionSource;
  /** @default the one that is installed */
  readonly client?: NatsClientName;
  /** Where JetStream is, if not in the user's own account: `{ domain }` or `{ apiPrefix }`. */
  readonly jetstream?: JetStreamOptions;
  /** Waits for a server that is not there yet, instead of rejecting. @default false */
  readonly mayWait?: boolean;
}
