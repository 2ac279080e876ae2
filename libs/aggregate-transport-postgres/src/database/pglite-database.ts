import { statementOf } from '../transaction/statement-of.js';
import type { Statement } from '../transaction/statement.js';
import type { QueryingTransaction } from '../transaction/transaction.js';
import type { Opening } from './begin-with.js';
import type { Database, OwnTransaction, Session } from './database.js';

/** What this library uses of PGlite. */
export interface PGliteLike extends QueryingTransaction {
  transaction<T>(work: (transaction: QueryingTransaction) => Promise<T>): Promise<T>;
  listen(channel: string, heard: (payload: string) => void): Promise<(...args: never[]) => Promise<void>>;
}

/**
 * PostgreSQL within this process. It has one connection: transactions run one after the other, and a session shares
 * that connection. So it serves one process, for a quick start and for tests.
 */
export class PGliteDatabase implements Database {
  readonly run: Statement;

  constructor(private readonly pglite: PGliteLike) {
    this.run = statementOf(pglite);
  }

  transaction<T>(work: (transaction: OwnTransaction) => Promise<T>, opening?: Opening): Promise<T> {
    return this.pglite.transaction(async (client) => {
      const run = statementOf(client);
      const opened = opening === undefined ? [] : await run(opening.sql, opening.values);
      return work({ run, opened, client });
    });
  }

  session(): Promise<Session> {
    return Promise.resolve(new PGliteSession(this.pglite));
  }

  /** It belongs to the application. */
  close(): Promise<void> {
    return Promise.resolve();
  }
}

class PGliteSession implements Session {
  readonly run: Statement;
  /** It lives as long as the process. */
  readonly lost = new Promise<Error>(() => undefined);
  readonly #ends: (() => Promise<void>)[] = [];

  constructor(private readonly pglite: PGliteLike) {
    this.run = statementOf(pglite);
  }

  async listen(channel: string, heard: (payload: string) => void): Promise<void> {
    const end = await this.pglite.listen(channel, heard);
    this.#ends.push(() => end());
  }

  async release(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end();
    await this.run('select pg_advisory_unlock_all()::text', []);
  }
}
