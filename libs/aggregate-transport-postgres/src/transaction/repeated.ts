import { AggregatePostgresError } from '../errors.js';
import { sqlStateOf } from './failure.js';
import { statementOf } from './statement-of.js';
import { type Row, type Statement, textIn } from './statement.js';
import type { QueryingTransaction, Transaction } from './transaction.js';

/** What a client of `pg` tells of its connection, beside taking statements. */
interface PgConnection extends QueryingTransaction {
  /** The process that the server has named when it was connected to; a pooler names one of its own. */
  readonly processID?: unknown;
  /** True while no statement is on its way or waits. */
  readonly readyForQuery?: unknown;
  /** `I`, `T` or `E`, as the server said after the last statement: outside, within, within an aborted transaction. */
  readonly getTransactionStatus?: unknown;
}

/**
 * Whether statements are kept prepared on a client: if its connection leads straight to the server, and has thrown none
 * away. Not there until the first answer has told.
 */
const DIRECT = new WeakMap<object, boolean>();
/** The connection has thrown its prepared statements away, by `discard all` or `deallocate`. */
const NOT_PREPARED = '26000';

/** The column by which {@link repeated} learns where its connection leads. */
export const SERVER_PROCESS = 'pg_backend_pid()::text as process';

/**
 * As `statementOf`, for a statement that is run again and again and answers {@link SERVER_PROCESS}. A client of `pg`
 * whose connection leads straight to the server keeps it prepared under this name. Through a pooler the server may be
 * another one each time, so it is not.
 */
export function repeated(transaction: Transaction, name: string): Statement {
  const run = statementOf(transaction);
  if (!isPgClient(transaction)) return run;
  const prepared = onPrepared(
    transaction,
    statementOf((text, values) => transaction.query({ name, text, values } as unknown as string)),
  );
  return async (sql, values) => {
    if (keepsPrepared(transaction)) return prepared(sql, values);
    const rows = await run(sql, values);
    if (!DIRECT.has(transaction)) learn(transaction, rows[0]);
    return rows;
  };
}

/** Runs a prepared statement, and prepares none on the client any more if the connection has thrown it away. */
export function onPrepared(client: QueryingTransaction, run: Statement): Statement {
  return async (sql, values) => {
    try {
      return await run(sql, values);
    } catch (error) {
      throw sqlStateOf(error) === NOT_PREPARED ? thrownAway(client, error) : error;
    }
  };
}

/** Whether a statement that is handed over now is sure to run within an open transaction. */
export function isSurelyOpen(transaction: Transaction): boolean {
  const { readyForQuery, getTransactionStatus } = transaction as PgConnection;
  if (readyForQuery !== true || typeof getTransactionStatus !== 'function') return false;
  return (getTransactionStatus as () => unknown).call(transaction) === 'T';
}

/** As far as it is known. */
export function keepsPrepared(client: QueryingTransaction): boolean {
  return DIRECT.get(client) === true;
}

function isPgClient(transaction: Transaction): transaction is PgConnection {
  return typeof transaction === 'object' && 'processID' in transaction && 'query' in transaction;
}

/** A pooler has told another process than the one that answers. */
function learn(client: PgConnection, row: Row | undefined): void {
  const answering = textIn(row, 'process');
  if (answering !== undefined) DIRECT.set(client, answering === String(client.processID));
}

/** `pg` still takes it for prepared. */
function thrownAway(client: QueryingTransaction, cause: unknown): AggregatePostgresError {
  DIRECT.set(client, false);
  return new AggregatePostgresError(
    'TRANSACTION_RETRY',
    'expected the connection to keep a prepared statement, found that it has thrown it away (discard all, or ' +
      'deallocate); roll the transaction back and run it again: it is not prepared on this connection any more',
    { cause },
  );
}
