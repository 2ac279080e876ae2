import { AggregatePostgresError } from '../errors.js';
import { PgDatabase, type PgPool } from './pg-database.js';

/** What this library needs of `pg` itself. */
interface PgLibrary {
  readonly Pool: new (options: object) => PgPool & {
    on(event: 'error', listener: (error: Error) => void): unknown;
    end(): Promise<void>;
  };
}

export interface OwnPoolOptions {
  readonly connectionString: string;
  readonly maxConnections: number;
  /** A connection that rests in the pool was lost. The pool makes another one when it is needed. */
  readonly onLost: (error: Error) => void;
}

/** Milliseconds. Longer than any healthy server needs, and short enough for a start-up to end with a clear error. */
const CONNECT_WITHIN_MS = 5_000;

/**
 * A pool of this library's own.
 * @throws POSTGRES_OPTIONS_INVALID if `pg` is not installed
 */
export async function openPool(options: OwnPoolOptions): Promise<PgDatabase> {
  const { connectionString, maxConnections: max, onLost } = options;
  const { Pool } = await loadPg();
  const pool = new Pool({
    ...{ connectionString, max },
    connectionTimeoutMillis: CONNECT_WITHIN_MS,
    application_name: 'aggregate-transport',
  });
  pool.on('error', onLost);
  return new PgDatabase(pool, () => pool.end());
}

async function loadPg(): Promise<PgLibrary> {
  try {
    const { default: library } = (await import('pg')) as unknown as { default: PgLibrary };
    return library;
  } catch (cause) {
    throw new AggregatePostgresError(
      'POSTGRES_OPTIONS_INVALID',
      'expected the package pg for the option connectionString, found none; run npm install pg, or pass pglite',
      { cause },
    );
  }
}
