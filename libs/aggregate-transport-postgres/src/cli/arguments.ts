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

export const OUTBOX_USAGE = `Usage: aggregate-transport outbox <command> [options]

  outbox relay   --topic T [--topic U]    relay in this process, until SIGINT or SIGTERM
                 [--shards N]             as the services have it; default 1
  outbox list    [--topic T]              aggregates that are stopped, because an event was refused
  outbox retry   --topic T AGGREGATE      try the refused event again, and continue after it
  outbox retry   --all [--topic T]        the same for all; does not wait
  outbox skip    --topic T AGGREGATE      delete the refused event, and continue after it
  outbox discard --topic T AGGREGATE      delete all waiting events of the aggregate

  --url URL       the database; default: DATABASE_URL
  --schema NAME   the schema of the tables; default: messaging
  --table OLD=NEW another name for one of the tables ${TABLES.join(', ')}; may be repeated
  --server URL    of NATS, for relay; default: NATS_URL, else nats://127.0.0.1:4222
  --creds FILE    credentials of the NATS user, for relay
  --wait MS       how long to wait for the relay, 30000 (1 to 3600000)
  --yes           do not ask before events are deleted
  --json          one JSON value per line

Exit code: 0 done, 1 not done, 2 not understood or not confirmed.`;

/** What every command of this package understands. */
const COMMON = {
  url: { type: 'string' },
  schema: { type: 'string' },
  table: { type: 'string', multiple: true },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  'by-day': { type: 'boolean' },
  days: { type: 'string' },
  topic: { type: 'string', multiple: true },
  server: { type: 'string' },
  creds: { type: 'string' },
  shards: { type: 'string' },
  wait: { type: 'string' },
  all: { type: 'boolean' },
  yes: { type: 'boolean' },
} as const;

const WAIT_MS = { otherwise: 30_000, least: 1, most: 3_600_000 };
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

export function topicsOf({ topic = [] }: Values): readonly string[] {
  return topic;
}

/** @throws UsageError */
export function daysOf({ days }: Values): number {
  return numberOf('days', days, DAYS);
}

/** @throws UsageError */
export function waitOf({ wait }: Values): number {
  return numberOf('wait', wait, WAIT_MS);
}

/** Its value is checked where all options are. */
export function shardsOf({ shards }: Values): number {
  return shards === undefined ? 1 : Number(shards);
}

function numberOf(
  name: string,
  text: string | undefined,
  { otherwise, least, most }: { otherwise: number; least: number; most: number },
): number {
  const count = text === undefined ? otherwise : Number(text);
  if (Number.isInteger(count) && count >= least && count <= most) return count;
  throw new UsageError(`expected --${name} to be a number from ${least} to ${most}, found "${text ?? ''}"`);
}
