// The public door: everything a service may use, by name.
export { AggregatePostgresError, type AggregatePostgresErrorCode } from './errors.js';
export { Outbox, type OutboxEvent, type OutboxOf, type OutboxReceipt } from './outbox/outbox.js';
export { FencedError } from './inbox/fenced-error.js';
export { Inbox, type InboxOutcome, type PruneOptions } from './inbox/inbox.js';
export type { InboxFence } from './inbox/inbox-fences.js';
export type { InboxContext, InboxPlace } from './inbox/inbox-place.js';
export { InboxOnce, type InboxOnceOptions, inboxTransaction } from './nest/inbox-once.decorator.js';
export { AggregatePostgresModule } from './nest/aggregate-postgres.module.js';
export {
  AggregatePostgresHealthIndicator,
  type OutboxHealthOptions,
  type OutboxHealthResult,
} from './nest/aggregate-postgres-health.indicator.js';
export {
  AggregatePostgresStatus,
  type OwnRelay,
  type PostgresSnapshot,
} from './nest/aggregate-postgres-status.js';
export type { OutboxHooks, OutboxStoppedNotice, RelayOptions } from './options/relay-options.js';
export type { OutboxProblem } from './relay/operating/outbox-health.js';
export type { RelayTrouble } from './relay/sending/waits.js';
export type { OutboxStatus, ShardOwner, StoppedAggregate } from './relay/operating/outbox-looks.js';
export { AGGREGATE_POSTGRES_OPTIONS, getOutboxToken, InjectOutbox } from './nest/tokens.js';
export {
  type AggregatePostgresOptions,
  type AggregatePostgresOptionsFactory,
  DEFAULTS,
  type OutboxOptions,
} from './options/options.js';
export { type SchemaOptions, type TableName } from './schema/schema-names.js';
export type { Row, Statement } from './transaction/statement.js';
export type {
  DrizzleTransaction,
  KnexTransaction,
  KyselyTransaction,
  PrismaTransaction,
  QueryingTransaction,
  StatementFunction,
  Transaction,
} from './transaction/transaction.js';
