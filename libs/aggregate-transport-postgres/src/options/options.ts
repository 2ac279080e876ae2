import type { Meter, TopicRef } from 'nestjs-aggregate-transport';
import type { PgPool } from '../database/pg-database.js';
import type { PGliteLike } from '../database/pglite-database.js';
import { RELAY_DEFAULTS, type RelayOptions } from './relay-options.js';
import { DEFAULT_SCHEMA, type SchemaOptions } from '../schema/schema-names.js';

/** How events get from transactions into the outbox, and from there into the stream. */
export interface OutboxOptions extends RelayOptions {
  /** Topics whose events go through the outbox: each can be injected by `@InjectOutbox(topic)`. */
  readonly topics: readonly TopicRef[];
  /**
   * Whether a transaction that adds events wakes the relay when it commits. PostgreSQL lets transactions that notify
   * commit one after the other. Beyond some thousand of them per second `false` is faster; the relay then polls.
   * @default true
   */
  readonly notify?: boolean;
}

/** Exactly one of `pool`, `connectionString` and `pglite`. */
export interface AggregatePostgresOptions extends SchemaOptions {
  /** A pool of `pg` that the application has made and closes itself. */
  readonly pool?: PgPool;
  /** Where to connect with a pool of this library's own: `postgres://user:password@host:5432/database`. */
  readonly connectionString?: string;
  /** A database in this process. It serves one process alone. */
  readonly pglite?: PGliteLike;
  /** Connections of the pool that `connectionString` makes, 2 to 1 000. @default 10 */
  readonly maxConnections?: number;
  /** How long the start-up waits for the database, in milliseconds, 100 to 60 000. @default 10_000 */
  readonly startWithinMs?: number;
  /**
   * Whether the start-up makes the tables, or brings them to this release, as `postgres migrate` does. For a PGlite,
   * which no command can reach, and where the role may do so. @default false
   */
  readonly migrate?: boolean;
  /** Without it nothing is added or relayed. */
  readonly outbox?: OutboxOptions;
  /** Whether handlers of this process use the inbox. @default false */
  readonly inbox?: boolean;
  /** Where the relay counts what it does: any meter of OpenTelemetry's shape, as the core takes it. */
  readonly metrics?: {
    /** What `metrics.getMeter('…')` of `@opentelemetry/api` gives, or anything of that shape. */
    readonly meter: Meter;
  };
}

/** Makes the options for `forRootAsync({ useClass | useExisting })`. */
export interface AggregatePostgresOptionsFactory {
  /** Called once, at start-up. A rejection ends the start-up with its error. */
  createAggregatePostgresOptions(): AggregatePostgresOptions | Promise<AggregatePostgresOptions>;
}

/** The options' defaults. The numbers in the comments above are checked against these by a test. */
export const DEFAULTS = {
  schema: DEFAULT_SCHEMA,
  maxConnections: 10,
  startWithinMs: 10_000,
  outbox: { notify: true, ...RELAY_DEFAULTS },
  inbox: false,
  migrate: false,
} as const satisfies Omit<AggregatePostgresOptions, 'outbox'> & { outbox: Omit<OutboxOptions, 'topics'> };
