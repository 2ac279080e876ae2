import type { Database } from '../database/database.js';
import { openPool } from '../database/open-pool.js';
import { PgDatabase } from '../database/pg-database.js';
import { PGliteDatabase } from '../database/pglite-database.js';
import { AggregatePostgresError } from '../errors.js';
import type { DatabaseSource, ResolvedOptions } from '../options/resolve-options.js';
import { checkSchema, type Use } from '../schema/check-schema.js';
import { migrate } from '../schema/migrate.js';
import type { SchemaNames } from '../schema/schema-names.js';

/**
 * The one database of an application, shared by outboxes, relay and inbox. Opening connects to nothing: a pool connects
 * when it is used first.
 */
export class PostgresLink {
  private constructor(
    readonly database: Database,
    readonly options: ResolvedOptions,
  ) {}

  get names(): SchemaNames {
    return this.options.names;
  }

  /** @throws POSTGRES_OPTIONS_INVALID if `pg` is wanted and not installed */
  static async open(options: ResolvedOptions, onLost: (error: Error) => void): Promise<PostgresLink> {
    return new PostgresLink(await databaseOf(options.source, onLost), options);
  }

  /**
   * Makes the tables if the options say so. Checks that the database answers, has the tables of this release, and lets
   * this process use them.
   * @throws POSTGRES_UNAVAILABLE, POSTGRES_TOO_OLD, SCHEMA_MISSING, SCHEMA_OLDER, SCHEMA_NEWER, RIGHTS_MISSING; within
   *   `startWithinMs`
   */
  async check(): Promise<void> {
    const { outbox, inbox, migrate: mustMigrate, startWithinMs } = this.options;
    const uses: Use[] = [];
    if (outbox !== undefined) uses.push('add');
    if (outbox?.relay === true) uses.push('relay');
    if (inbox) uses.push('inbox');
    const migrated = mustMigrate ? migrate(this.database, this.names) : Promise.resolve();
    const checked = migrated.then(() => checkSchema(this.database.run, this.names, uses));
    await within(startWithinMs, checked);
  }

  /** Closes the pool if it is this library's own. */
  close(): Promise<void> {
    return this.database.close();
  }
}

async function databaseOf(source: DatabaseSource, onLost: (error: Error) => void): Promise<Database> {
  switch (source.kind) {
    case 'pool':
      return new PgDatabase(source.pool);
    case 'pglite':
      return new PGliteDatabase(source.pglite);
    case 'connectionString':
      return openPool({ ...source, onLost });
  }
}

async function within(ms: number, checked: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(noAnswer(ms)), ms);
  });
  try {
    await Promise.race([checked, late]);
  } finally {
    clearTimeout(timer);
  }
}

function noAnswer(ms: number): AggregatePostgresError {
  return new AggregatePostgresError(
    'POSTGRES_UNAVAILABLE',
    `expected PostgreSQL to answer within ${ms} ms, found no answer; check the server, the network, and whether the ` +
      'pool has a connection to give',
  );
}
