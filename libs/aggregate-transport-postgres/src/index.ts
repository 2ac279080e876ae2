// The public door: everything a service may use, by name.
export { AggregatePostgresError, type AggregatePostgresErrorCode } from './errors.js';
export { Outbox, type OutboxEvent, type OutboxOf, type OutboxReceipt } from './outbox/outbox.js';
export { migrate, type MigrateOptions, type Migration } from './schema/migrate.js';
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
