import { quoted, type SchemaNames, TABLES } from './schema-names.js';
import { SQL_FILES } from './sql-files.js';

/** The version of the tables that this release reads and writes. */
export const SCHEMA_VERSION = 1;

type SqlFile = keyof typeof SQL_FILES;

/** The files that lead from one version to the next, in order. */
export const STEPS: readonly {
  readonly version: number;
  readonly files: (byDay: boolean) => readonly SqlFile[];
}[] = [
  {
    version: 1,
    files: (byDay) => [byDay ? '001-outbox-by-day.sql' : '001-outbox.sql', '001-tables.sql'],
  },
];

export const SCHEMA_FILE: SqlFile = '000-schema.sql';

/** A file with the names filled in, as psql would with `-v schema=… -v outbox=…`: `:"name"` is an identifier. */
export function sqlOf(file: SqlFile, names: SchemaNames): string {
  return filled(SQL_FILES[file], names);
}

function filled(sql: string, names: SchemaNames): string {
  const outbox = names.plain('outbox');
  const variables: Readonly<Record<string, string>> = {
    schema: names.schema,
    ...Object.fromEntries(TABLES.map((table) => [table, names.plain(table)])),
    outbox_unpublished: `${outbox}_unpublished`,
    outbox_rest: `${outbox}_rest`,
  };
  return sql.replace(/:"(\w+)"/g, (place, name: string) => {
    const value = variables[name];
    return value === undefined ? place : quoted(value);
  });
}

/** The statements of a file. No statement of ours holds a semicolon, and no name is looked into. */
export function statementsOf(file: SqlFile, names: SchemaNames): string[] {
  return SQL_FILES[file]
    .split('\n')
    .filter((line) => !line.trimStart().startsWith('--'))
    .join('\n')
    .split(/;\s*\n/)
    .filter((statement) => statement.trim() !== '')
    .map((statement) => filled(statement, names));
}

/** For an operator who runs it by hand: the tables of the newest version, then the rights of a service's role. */
export function printedSchema(names: SchemaNames, { byDay }: { readonly byDay: boolean }): string {
  const files = [SCHEMA_FILE, ...STEPS.flatMap((step) => step.files(byDay))];
  const rights = grantsOf(names).map((grant) => `--   ${grant}`);
  return [
    'begin;\n',
    ...files.map((file) => sqlOf(file, names)),
    'commit;\n',
    '-- What the role of a service needs, here called "service":',
    ...rights,
    '',
  ].join('\n');
}

/** The rights of a role that adds, relays and handles. */
function grantsOf(names: SchemaNames): string[] {
  const sequence = `${quoted(names.schema)}.${quoted(`${names.plain('outbox')}_id_seq`)}`;
  const tables = TABLES.filter((table) => table !== 'schema_version').map((table) => names.of(table));
  return [
    `grant usage on schema ${quoted(names.schema)} to "service";`,
    `grant select on ${names.of('schema_version')} to "service";`,
    `grant usage on sequence ${sequence} to "service";`,
    `grant select, insert, update, delete on ${tables.join(', ')} to "service";`,
  ];
}
