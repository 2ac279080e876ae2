import { openPool } from '../database/open-pool.js';
import type { Database } from '../database/database.js';
import { checkSchema } from '../schema/check-schema.js';
import { namesOf, urlOf, type Values } from './arguments.js';
import { type Terminal, UsageError } from './terminal.js';

/** One for what a command does, and one in reserve. */
const CONNECTIONS = 2;

/**
 * Runs a command on the database that it names, and closes the connections.
 * @throws SCHEMA_MISSING, SCHEMA_OLDER and the others of a start-up
 */
export async function connected(
  values: Values,
  use: (database: Database) => Promise<number>,
): Promise<number> {
  const options = { connectionString: urlOf(values), maxConnections: CONNECTIONS, onLost: () => undefined };
  const database = await openPool(options);
  try {
    await checkSchema(database.run, namesOf(values), []);
    return await use(database);
  } finally {
    await database.close();
  }
}

/**
 * Asks before something is lost that cannot be brought back.
 * @throws UsageError unless the answer, or `--yes`, says so
 */
export async function confirm(loss: string, values: Values, terminal: Terminal): Promise<void> {
  if (values.yes === true) return;
  const typed = await terminal.ask(`${loss}. Type yes to do it: `);
  if (typed?.trim() !== 'yes') throw new UsageError(`not confirmed: ${loss}; type yes, or give --yes`);
}
