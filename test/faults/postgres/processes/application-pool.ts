import pg from 'pg';

/** The pool of an application that continues when the server dies. */
export function applicationPool({
  postgres,
  maxConnections,
}: {
  readonly postgres: string;
  readonly maxConnections: number;
}): pg.Pool {
  const pool = new pg.Pool({
    connectionString: postgres,
    max: maxConnections,
    connectionTimeoutMillis: 1_500,
  });
  pool.on('error', () => undefined);
  // A server that dies may send its greeting and its last word at once: before anyone else can listen.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}
