import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { PGlite } from '@electric-sql/pglite';
import type { QueryingTransaction } from 'nestjs-aggregate-transport-postgres';
import pg from 'pg';

/** The rows of a statement of this service. */
export type Rows = Record<string, string | number | null>[];

/**
 * The database of one service: the one that `DATABASE_URL` names, else a PGlite in this process. A PGlite is empty at
 * each start and has one connection.
 */
@Injectable()
export class ServiceDatabase implements OnApplicationShutdown {
  private constructor(readonly source: { pool: pg.Pool } | { pglite: PGlite }) {}

  /** Opens it, and makes the service's own tables. */
  static async open(tables: string): Promise<ServiceDatabase> {
    const url = process.env['DATABASE_URL'] ?? '';
    if (url === '') {
      const pglite = await PGlite.create();
      await pglite.exec(tables);
      return new ServiceDatabase({ pglite });
    }
    const pool = new pg.Pool({ connectionString: url });
    pool.on('error', () => undefined); // the pool makes another connection
    await pool.query(tables);
    return new ServiceDatabase({ pool });
  }

  async transaction<T>(work: (transaction: QueryingTransaction) => Promise<T>): Promise<T> {
    if ('pglite' in this.source) return this.source.pglite.transaction(work);
    const client = await this.source.pool.connect();
    let failure: Error | undefined;
    try {
      await client.query('begin');
      const done = await work(client);
      await client.query('commit');
      return done;
    } catch (error) {
      failure = error as Error;
      await client.query('rollback').catch(() => undefined);
      throw error;
    } finally {
      client.release(failure !== undefined);
    }
  }

  async query(sql: string): Promise<Rows> {
    const { source } = this;
    const { rows } = await ('pglite' in source ? source.pglite.query(sql) : source.pool.query(sql));
    return rows as Rows;
  }

  async onApplicationShutdown(): Promise<void> {
    if ('pool' in this.source) await this.source.pool.end();
  }
}
