import { AggregatePostgresError } from '../errors.js';
import { sqlStateOf, unavailable } from '../transaction/failure.js';
import { type Row, type Statement, textIn } from '../transaction/statement.js';
import { rightsMissing, schemaMissing, schemaNewer, schemaOlder } from './schema-errors.js';
import { quoted, type SchemaNames, type TableName } from './schema-names.js';
import { SCHEMA_VERSION } from './schema-sql.js';

/** What a process does with the tables; it needs the rights for that and no others. */
export type Use = 'add' | 'relay' | 'inbox';

const OLDEST_SERVER = 130_000;
const ALL = ['select', 'insert', 'update', 'delete'] as const;
const RIGHTS: Readonly<Record<Use, readonly (readonly [TableName, readonly string[]])[]>> = {
  add: [['outbox', ['insert']]],
  relay: [
    ['outbox', ['select', 'update', 'delete']],
    ['outbox_relay', ALL],
    ['outbox_stopped', ALL],
  ],
  inbox: [['inbox', ALL]],
};

/**
 * Checks at start-up that the tables are there, have this release's version, and may be used.
 * @throws POSTGRES_UNAVAILABLE, POSTGRES_TOO_OLD, SCHEMA_MISSING, SCHEMA_OLDER, SCHEMA_NEWER, RIGHTS_MISSING
 */
export async function checkSchema(run: Statement, names: SchemaNames, uses: readonly Use[]): Promise<void> {
  await checkServer(run);
  const version = await schemaVersion(run, names);
  if (version < SCHEMA_VERSION) throw schemaOlder(names, version);
  if (version > SCHEMA_VERSION) throw schemaNewer(names, version);
  const missing = await missingRights(run, names, uses);
  if (missing.length > 0) throw rightsMissing(missing);
}

async function checkServer(run: Statement): Promise<void> {
  const [row] = await run(`select current_setting('server_version_num') as number`, []).catch(
    (error: unknown) => {
      throw unavailable(error instanceof AggregatePostgresError ? error.cause : error);
    },
  );
  const number = Number(textIn(row, 'number'));
  if (number >= OLDEST_SERVER) return;
  throw new AggregatePostgresError(
    'POSTGRES_TOO_OLD',
    `expected PostgreSQL 13 or newer, found ${Math.floor(number / 10_000)}; upgrade the server`,
  );
}

/** 0 if the table of versions is empty. */
async function schemaVersion(run: Statement, names: SchemaNames): Promise<number> {
  let row: Row | undefined;
  try {
    [row] = await run(`select max(version)::text as version from ${names.of('schema_version')}`, []);
  } catch (cause) {
    const state = sqlStateOf(cause);
    if (state === '42P01' || state === '3F000') throw schemaMissing(names, cause);
    if (state === '42501') throw rightsMissing([`select on ${names.of('schema_version')}`], cause);
    throw cause;
  }
  return Number(textIn(row, 'version') ?? 0);
}

async function missingRights(run: Statement, names: SchemaNames, uses: readonly Use[]): Promise<string[]> {
  const wanted = uses.flatMap((use) =>
    RIGHTS[use].flatMap(([table, rights]) => rights.map((right) => [names.of(table), right] as const)),
  );
  const rows = await run(
    'select w ->> 0 as "table", w ->> 1 as "right" from json_array_elements($1::text::json) as w ' +
      'where not has_table_privilege(w ->> 0, w ->> 1)',
    [JSON.stringify(wanted)],
  ).catch((cause: unknown) => {
    throw sqlStateOf(cause) === '42P01' ? schemaMissing(names, cause) : cause;
  });
  const missing = rows.map((row) => `${textIn(row, 'right') ?? ''} on ${textIn(row, 'table') ?? ''}`);
  if (uses.includes('add') && !(await mayDrawIds(run, names)))
    missing.push('usage on the sequence of its ids');
  return missing;
}

async function mayDrawIds(run: Statement, names: SchemaNames): Promise<boolean> {
  const sequence = `${quoted(names.schema)}.${quoted(`${names.plain('outbox')}_id_seq`)}`;
  const [row] = await run(
    `select (to_regclass($1::text) is null or has_sequence_privilege($1::text, 'usage'))::text as may`,
    [sequence],
  );
  return textIn(row, 'may') !== 'false';
}
