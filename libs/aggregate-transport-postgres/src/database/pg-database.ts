import { quoted } from '../schema/schema-names.js';
import { unavailable } from '../transaction/failure.js';
import { statementOf } from '../transaction/statement-of.js';
import type { Row, Statement } from '../transaction/statement.js';
import type { QueryingTransaction } from '../transaction/transaction.js';
import { beginWith, type Opening } from './begin-with.js';
import type { Database, OwnTransaction, Session } from './database.js';

/** What this library uses of a `Pool` of `pg`. */
export interface PgPool extends QueryingTransaction {
  connect(callback: (error: Error | undefined, client: PgClient | undefined) => void): void;
}

/** What this library uses of a client of such a pool. */
export interface PgClient extends QueryingTransaction {
  release(error?: Error | boolean): void;
  on(event: 'notification', listener: (message: PgNotification) => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as Node declares it
  removeListener(event: string, listener: (...args: any[]) => void): unknown;
}

export interface PgNotification {
  channel: string;
  payload?: string | undefined;
}

/** A PostgreSQL server by way of a pool of `pg`. */
export class PgDatabase implements Database {
  readonly run: Statement;

  constructor(
    private readonly pool: PgPool,
    private readonly end: () => Promise<void> = () => Promise.resolve(),
  ) {
    this.run = statementOf(pool);
  }

  async transaction<T>(work: (transaction: OwnTransaction) => Promise<T>, opening?: Opening): Promise<T> {
    const client = await this.#connect();
    const run = statementOf(client);
    let broken: Error | undefined;
    try {
      const opened = await begin(client, opening);
      const result = await work({ run, opened, client });
      await run('commit', []);
      return result;
    } catch (error) {
      await run('rollback', []).catch((failure: unknown) => {
        broken = failure as Error;
      });
      throw error;
    } finally {
      client.removeListener('error', ignore);
      client.release(broken);
    }
  }

  async session(): Promise<Session> {
    const client = await this.#connect();
    const session = new PgSession(client);
    client.removeListener('error', ignore);
    return session;
  }

  close(): Promise<void> {
    return this.end();
  }

  /**
   * A client whose loss is no uncaught exception: `ignore` hears its errors until it is removed. It listens before
   * anything else that the server has sent is read. A server that dies may send its greeting and its last word at once.
   */
  #connect(): Promise<PgClient> {
    return new Promise((resolve, reject) => {
      this.pool.connect((error, client) => {
        client?.on('error', ignore);
        if (client === undefined) reject(unavailable(error));
        else resolve(client);
      });
    });
  }
}

async function begin(client: PgClient, opening: Opening | undefined): Promise<readonly Row[]> {
  if (opening !== undefined) return beginWith(client, opening);
  await statementOf(client)('begin', []);
  return [];
}

/** A client that breaks while it is out of the pool reports it here; its statements reject all the same. */
function ignore(): void {
  // See above.
}

class PgSession implements Session {
  readonly run: Statement;
  readonly lost: Promise<Error>;
  readonly #listeners: ((message: PgNotification) => void)[] = [];
  readonly #lose: (error?: Error) => void;
  #isReleased = false;

  constructor(private readonly client: PgClient) {
    this.run = statementOf(client);
    let resolve: (error: Error) => void = () => undefined;
    this.lost = new Promise((done) => {
      resolve = done;
    });
    this.#lose = (error = new Error('the server has closed the connection')) => {
      if (!this.#isReleased) resolve(error);
    };
    client.on('error', this.#lose);
    client.on('end', this.#lose);
  }

  async listen(channel: string, heard: (payload: string) => void): Promise<void> {
    const listener = (message: PgNotification): void => {
      if (message.channel === channel) heard(message.payload ?? '');
    };
    this.client.on('notification', listener);
    this.#listeners.push(listener);
    await this.run(`listen ${quoted(channel)}`, []);
  }

  /** A connection that goes back into the pool must neither hear nor hold anything. */
  async release({ broken = false }: { readonly broken?: boolean } = {}): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    for (const listener of this.#listeners) this.client.removeListener('notification', listener);
    const isClean =
      !broken &&
      (await this.run('unlisten *', [])
        .then(() => this.run('select pg_advisory_unlock_all()::text', []))
        .then(
          () => true,
          () => false,
        ));
    if (isClean) {
      this.client.removeListener('error', this.#lose);
      this.client.removeListener('end', this.#lose);
    }
    this.client.release(!isClean);
  }
}
