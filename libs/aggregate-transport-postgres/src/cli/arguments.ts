import { parseArgs } from 'node:util';
import { AggregatePostgresError } from '../errors.js';
import { SchemaNames, TABLES, type TableName } from '../schema/schema-names.js';
import { UsageError } from './terminal.js';

export const USAGE = `Usage: aggregate-transport postgres <command> [options]

  postgres migrate                make the tables, or bring them to the version of this release; safe to repeat
           [--by-day]             divide the outbox by day, when its table is made; again: make the days to come
           [--days N]             how many days from today on, 7 (1 to 366)
  postgres print [--by-day]       print the SQL instead, and the rights that a service needs

  --url URL       the database; default: DATABASE_URL
  --schema NAME   the schema of the tables; default: messaging
  --table OLD=NEW another name for one of the tables ${TABLES.join(', ')}; may be repeated
  --json          one JSON value instead of text

Exit code: 0 done, 1 not done, 2 not understood.`;

/** What every command of this package understands. */
const COMMON = {
  url: { type: 'string' },
  schema: { type: 'string' },
  table: { type: 'string', multiple: true },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  'by-day': { type: 'boolean' },
  days: { type: 'string' },
} as const;

const DAYS = { otherwise: 7, least: 1, most: 366 };

export type Values = ReturnType<typeof parse>['values'];

/** @throws UsageError */
export function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: COMMON });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; see --help`);
  }
}

/** @throws UsageError */
export function namesOf({ schema, table = [] }: Values): SchemaNames {
  const tables: Partial<Record<TableName, string>> = {};
  for (const pair of table) {
    const [old = '', name] = pair.split(/=(.*)/s);
    if (name === undefined) throw new UsageError(`expected --table OLD=NEW, found "${pair}"`);
    tables[old as TableName] = name;
  }
  try {
    return new SchemaNames(schema === undefined ? { tables } : { schema, tables });
  } catch (error) {
    throw error instanceof AggregatePostgresError ? new UsageError(error.message) : error;
  }
}

/** @throws UsageError */
export function urlOf({ url }: Values): string {
  const found = url ?? process.env['DATABASE_URL'] ?? '';
  if (found !== '') return found;
  throw new UsageError('expected --url or DATABASE_URL to name the database, found neither');
}

/** @throws UsageError */
export function daysOf({ days }: Values): number {
  const count = days === undefined ? DAYS.otherwise : Number(days);
  if (Number.isInteger(count) && count >= DAYS.least && count <= DAYS.most) return count;
  throw new UsageError(
    `expected --days to be a number from ${DAYS.least} to ${DAYS.most}, found "${days ?? ''}"`,
  );
}
