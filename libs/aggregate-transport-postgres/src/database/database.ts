import type { Row, Statement } from '../transaction/statement.js';
import type { QueryingTransaction } from '../transaction/transaction.js';
import type { Opening } from './begin-with.js';

/** The ways to a database that this library opens for itself; see `pg-database.ts` and `pglite-database.ts`. */
export interface Database {
  /** Runs one statement, in a transaction of its own. */
  readonly run: Statement;
  /**
   * Runs `work` in a transaction on a connection of its own: committed when `work` resolves, rolled back when it
   * rejects. Rejects with what `work` rejected with, or with why the commit failed. `opening` runs before `work`.
   */
  transaction<T>(work: (transaction: OwnTransaction) => Promise<T>, opening?: Opening): Promise<T>;
  /** A connection that stays: for session locks and notifications. Release it. */
  session(): Promise<Session>;
  /** Closes what this library has opened. A pool of the application stays open. */
  close(): Promise<void>;
}

/** A transaction of this library's own. */
export interface OwnTransaction {
  readonly run: Statement;
  /** What the opening answered. */
  readonly opened: readonly Row[];
  /** What the application's own statements are run with. */
  readonly client: QueryingTransaction;
}

/** One connection for as long as it lives. */
export interface Session {
  readonly run: Statement;
  /** Resolves when the connection is lost, with the reason; never after `release`. */
  readonly lost: Promise<Error>;
  /** Calls back with the payload of every notification on a channel. */
  listen(channel: string, heard: (payload: string) => void): Promise<void>;
  /** Gives the connection back. `broken` closes it, with every lock it holds. */
  release(options?: { readonly broken?: boolean }): Promise<void>;
}
