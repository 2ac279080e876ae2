import { CodedError } from 'nestjs-aggregate-transport';

/** Every reason this library can give. A code is never reused for another meaning. */
export type AggregatePostgresErrorCode =
  // wiring and database, reported at start-up
  /** An option is wrong, or `pg` is not installed. Do: correct what the text names. */
  | 'POSTGRES_OPTIONS_INVALID'
  /**
   * The server gives no connection, or does not answer in time.
   * Do: look at its address, its connections and its load.
   */
  | 'POSTGRES_UNAVAILABLE'
  /** The server is older than PostgreSQL 13. Do: update it. */
  | 'POSTGRES_TOO_OLD'
  /** A table is missing. Do: run `npx aggregate-transport postgres migrate`. */
  | 'SCHEMA_MISSING'
  /** The tables are of an older release. Do: run `npx aggregate-transport postgres migrate`. */
  | 'SCHEMA_OLDER'
  /** The tables are of a newer release. Do: install that release. */
  | 'SCHEMA_NEWER'
  /**
   * A table has another form: it is not ours, or not divided by day.
   * Do: name another schema or table, or make it as `postgres print` shows it.
   */
  | 'SCHEMA_MISMATCH'
  /** The role lacks a right. Do: grant the right that the text names. */
  | 'RIGHTS_MISSING'
  // one call, reported before anything is written
  /**
   * The first argument is no transaction of a known library.
   * Do: hand over the transaction itself, or a function that runs a statement in it.
   */
  | 'TRANSACTION_UNKNOWN'
  /** No transaction is open. Nothing was written. Do: call it between `begin` and `commit`. */
  | 'TRANSACTION_MISSING'
  /**
   * An earlier statement has aborted the transaction. Nothing was written.
   * Do: roll back, and correct that statement.
   */
  | 'TRANSACTION_ABORTED'
  /** An event has `expectedSequence`, which the relay alone can know. Do: leave it out. */
  | 'OUTBOX_EVENT_INVALID'
  /** A list has more than 1 000 events. Do: add it in parts; each part of an aggregate in order. */
  | 'OUTBOX_LIST_TOO_LONG'
  /**
   * The server has no room for another lock.
   * Do: raise `max_locks_per_transaction`, or add events of fewer aggregates in one transaction.
   */
  | 'OUTBOX_LOCKS_EXHAUSTED'
  /** In the log: another relay has taken over. This one begins again. Do: nothing. */
  | 'OUTBOX_SUPERSEDED'
  // one call; its transaction has to be rolled back
  /** A deadlock or a conflict. Do: run the whole transaction again. */
  | 'TRANSACTION_RETRY'
  /** A statement failed for another reason. Do: read `cause`, and roll back. */
  | 'STATEMENT_FAILED'
  /**
   * A newer owner has applied an event of this aggregate. Its events block here.
   * Do: nothing, after a change of owner. After a restore of the streams run `inbox reset`.
   */
  | 'FENCED'
  /**
   * `@InboxOnce()` on a method without `@Ctx()`, or `inboxTransaction()` outside of one.
   * Do: add `@Ctx()`, or call it within the handler.
   */
  | 'INBOX_MISPLACED'
  /** The service has no handlers of that group on the topic. Do: correct the group. */
  | 'INBOX_GROUP_UNKNOWN'
  // the rest
  /** In tests: no PostgreSQL server was found or could be started. Do: install PostgreSQL, or name its folder. */
  | 'POSTGRES_SERVER_UNAVAILABLE';

/** The base of every error this library throws or rejects with. Errors about an event are those of `publish`. */
export class AggregatePostgresError extends CodedError<AggregatePostgresErrorCode> {
  /** The name of the class, which stacks show. Decide on `code`. */
  override readonly name: string = 'AggregatePostgresError';
}
