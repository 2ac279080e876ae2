import { openPool } from '../database/open-pool.js';
import { migrate } from '../schema/migrate.js';
import { printedSchema } from '../schema/schema-sql.js';
import { daysOf, namesOf, urlOf, type Values } from './arguments.js';
import type { Terminal } from './terminal.js';
import { jsonLine } from './json-line.js';

/** Two: one migrates, and one is in reserve for a transaction that waits. */
const CONNECTIONS = 2;

/** `postgres migrate` and `postgres print`. Resolves with the exit code. */
export async function runPostgresCommand(
  verb: string | undefined,
  values: Values,
  terminal: Terminal,
): Promise<number> {
  return verb === 'print' ? print(values, terminal) : migrateTables(values, terminal);
}

function print(values: Values, terminal: Terminal): number {
  const sql = printedSchema(namesOf(values), { byDay: values['by-day'] === true });
  terminal.print(values.json === true ? jsonLine('postgres-sql', { sql }) : sql);
  return 0;
}

async function migrateTables(values: Values, terminal: Terminal): Promise<number> {
  const names = namesOf(values);
  const days = daysOf(values);
  const database = await openPool({
    connectionString: urlOf(values),
    maxConnections: CONNECTIONS,
    onLost: () => undefined,
  });
  try {
    const done = await migrate(
      database,
      names,
      values['by-day'] === true ? { byDay: { wallMs: Date.now(), days } } : {},
    );
    terminal.print(
      values.json === true
        ? jsonLine('postgres-migration', { schema: names.schema, ...done })
        : told(names.schema, done),
    );
    return 0;
  } finally {
    await database.close();
  }
}

function told(
  schema: string,
  { from, to, days }: { from: number; to: number; days: readonly string[] },
): string {
  const what =
    from === to
      ? `the tables are there, in version ${to}`
      : `the tables were made or changed: version ${from} to ${to}`;
  return [`schema ${schema}: ${what}`, ...days.map((day) => `made ${day}`)].join('\n');
}
