import type { Database } from '../database/database.js';
import { AggregatePostgresError } from '../errors.js';
import { type Statement, textIn } from '../transaction/statement.js';
import { type DayOptions, ensureDays } from './days.js';
import { schemaNewer } from './schema-errors.js';
import { quoted, type SchemaNames } from './schema-names.js';
import { SCHEMA_FILE, SCHEMA_VERSION, statementsOf, STEPS } from './schema-sql.js';

export interface MigrateOptions {
  /**
   * Divides the outbox by day, for a relay that keeps published rows; taken when the table is made. Undefined makes
   * one table, and leaves an existing one as it is.
   */
  readonly byDay?: DayOptions;
}

export interface Migration {
  /** 0 if there were no tables. */
  readonly from: number;
  readonly to: number;
  /** Names of the day tables that were made. */
  readonly days: readonly string[];
}

/**
 * Brings the tables to the version of this release, in one transaction. Safe to call often, and from several processes
 * at once: they take turns.
 *
 * @throws SCHEMA_NEWER if a newer release has made them, SCHEMA_MISMATCH if `byDay` is wanted of an undivided outbox,
 *   RIGHTS_MISSING
 */
export async function migrate(
  database: Database,
  names: SchemaNames,
  { byDay }: MigrateOptions = {},
): Promise<Migration> {
  const from = await database.transaction(async ({ run }) => {
    await run('select pg_advisory_xact_lock($1::text::bigint)::text as locked', [
      names.lockKey('migrate').toString(),
    ]);
    const found = await versionIn(run, names);
    if (found > SCHEMA_VERSION) throw schemaNewer(names, found);
    if (found === 0) await makeSchema(run, names);
    for (const step of STEPS.filter(({ version }) => version > found))
      for (const file of step.files(byDay !== undefined))
        for (const statement of statementsOf(file, names)) await run(statement, []);
    return found;
  });
  if (byDay === undefined) return { from, to: SCHEMA_VERSION, days: [] };
  if (!(await isDivided(database.run, names))) throw notDivided(names);
  return { from, to: SCHEMA_VERSION, days: await ensureDays(database, names, byDay) };
}

/** 0 if there is no table of versions, or none in it. */
async function versionIn(run: Statement, names: SchemaNames): Promise<number> {
  const [table] = await run('select to_regclass($1::text)::text as found', [names.of('schema_version')]);
  if (textIn(table, 'found') === undefined) return 0;
  const [row] = await run(`select max(version)::text as version from ${names.of('schema_version')}`, []);
  return Number(textIn(row, 'version') ?? 0);
}

/** Asked first: without CREATE on the database even `if not exists` is refused. */
async function makeSchema(run: Statement, names: SchemaNames): Promise<void> {
  const [row] = await run('select to_regnamespace($1::text)::text as found', [quoted(names.schema)]);
  if (textIn(row, 'found') !== undefined) return;
  for (const statement of statementsOf(SCHEMA_FILE, names)) await run(statement, []);
}

/** True if the outbox is divided by day. */
async function isDivided(run: Statement, names: SchemaNames): Promise<boolean> {
  const [row] = await run('select relkind::text as kind from pg_class where oid = to_regclass($1::text)', [
    names.of('outbox'),
  ]);
  return textIn(row, 'kind') === 'p';
}

function notDivided(names: SchemaNames): AggregatePostgresError {
  return new AggregatePostgresError(
    'SCHEMA_MISMATCH',
    `expected ${names.of('outbox')} to be divided by day, found one undivided table; it is left as it is: leave ` +
      'the option out, or empty the outbox, drop the table and migrate again',
  );
}
