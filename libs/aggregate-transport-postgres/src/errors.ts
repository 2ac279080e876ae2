import { CodedError } from 'nestjs-aggregate-transport';

/** Every reason this library can give. A code is never reused for another meaning. */
export type AggregatePostgresErrorCode =
  // wiring and database, reported at start-up
  | 'POSTGRES_OPTIONS_INVALID'
  | 'POSTGRES_UNAVAILABLE'
  | 'POSTGRES_TOO_OLD'
  | 'SCHEMA_MISSING'
  | 'SCHEMA_OLDER'
  | 'SCHEMA_NEWER'
  | 'SCHEMA_MISMATCH'
  | 'RIGHTS_MISSING'
  // one call, reported before anything is written
  | 'TRANSACTION_UNKNOWN'
  | 'TRANSACTION_MISSING'
  | 'TRANSACTION_ABORTED'
  | 'OUTBOX_EVENT_INVALID'
  | 'OUTBOX_LIST_TOO_LONG'
  | 'OUTBOX_LOCKS_EXHAUSTED'
  | 'OUTBOX_SUPERSEDED'
  // one call; its transaction has to be rolled back
  | 'TRANSACTION_RETRY'
  | 'STATEMENT_FAILED'
  | 'FENCED'
  | 'INBOX_MISPLACED'
  | 'INBOX_GROUP_UNKNOWN'
  // the rest
  | 'POSTGRES_SERVER_UNAVAILABLE';

/** The base of every error this library throws or rejects with. Errors about an event are those of `publish`. */
export class AggregatePostgresError extends CodedError<AggregatePostgresErrorCode> {
  override readonly name: string = 'AggregatePostgresError';
}
