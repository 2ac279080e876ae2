import { parseArgs } from 'node:util';
import type { AccessFlags, AddOnSurroundings } from 'nestjs-aggregate-transport/operating';
import { AggregatePostgresError } from '../errors.js';
import { SchemaNames, TABLES, type TableName } from '../schema/schema-names.js';
import { UsageError } from './terminal.js';

const USAGE = `Usage: aggregate-transport postgres <command> [options]

  postgres migrate                make the tables, or bring them to the version of this release; safe to repeat
           [--by-day]             divide the outbox by day, when its table is made; again: make the days to come
           [--days N]             how many days from today on, 7 (1 to 366)
  postgres print [--by-day]       print the SQL instead, and the rights that a service needs

  --url URL       the database; default: DATABASE_URL
  --schema NAME   the schema of the tables; default: messaging
  --table OLD=NEW another name for one of the tables ${TABLES.join(', ')}; may be repeated
  --json          one JSON value instead of text

Exit code: 0 done, 1 not done, 2 not understood.`;

const INBOX_USAGE = `Usage: aggregate-transport inbox <command> [options]

  inbox reset GROUP                       after a restore, with the group stopped: forget how far it has come, so
                                          that every event which comes again is applied again
  inbox reset GROUP --topic T [AGGREGATE] the same for one topic, or one aggregate of it

  --url URL       the database; default: DATABASE_URL
  --schema NAME   the schema of the tables; default: messaging
  --table OLD=NEW another name for one of the tables ${TABLES.join(', ')}; may be repeated
  --yes           do not ask first
  --json          one JSON value instead of text

Exit code: 0 done, 1 not done, 2 not understood or not confirmed.`;

const OUTBOX_USAGE = `Usage: aggregate-transport outbox <command> [options]

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
  --server URL, --context NAME, --creds FILE and the other ways to reach NATS: for relay, as every command of
                  aggregate-transport has them
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
  shards: { type: 'string' },
  wait: { type: 'string' },
  all: { type: 'boolean' },
  yes: { type: 'boolean' },
} as const;

type Flag = keyof typeof COMMON;

/** What was given: a command's own options, and those by which a relay reaches NATS. */
export type Values = AccessFlags & {
  readonly [K in Flag]?: (typeof COMMON)[K] extends { readonly multiple: true }
    ? string[]
    : (typeof COMMON)[K]['type'] extends 'string'
      ? string
      : boolean;
};

type Ways = AddOnSurroundings['accessFlags'];

const DATABASE: readonly Flag[] = ['url', 'schema', 'table'];
const SAID_EVERYWHERE: readonly Flag[] = ['json', 'help'];

interface Use {
  readonly flags: readonly Flag[];
  /** How many words come after its name, at most. */
  readonly words: number;
  /** The other commands ask the database alone. */
  readonly reachesNats?: boolean;
}

/** What each command understands. */
const COMMANDS: ReadonlyMap<string, Use> = new Map([
  ['postgres migrate', { flags: [...DATABASE, 'by-day', 'days'], words: 0 }],
  ['postgres print', { flags: ['schema', 'table', 'by-day'], words: 0 }],
  ['outbox relay', { flags: [...DATABASE, 'topic', 'shards'], words: 0, reachesNats: true }],
  ['outbox list', { flags: [...DATABASE, 'topic'], words: 0 }],
  ['outbox retry', { flags: [...DATABASE, 'topic', 'all', 'wait'], words: 1 }],
  ['outbox skip', { flags: [...DATABASE, 'topic', 'wait', 'yes'], words: 1 }],
  ['inbox reset', { flags: [...DATABASE, 'topic', 'yes'], words: 2 }],
  ['outbox discard', { flags: [...DATABASE, 'topic', 'wait', 'yes'], words: 1 }],
]);

const WAIT_MS = { otherwise: 30_000, least: 1, most: 3_600_000 };
const SHARDS = { otherwise: 1, least: 1, most: 256 };
const DAYS = { otherwise: 7, least: 1, most: 366 };

/** @throws UsageError */
export function parse(args: readonly string[], ways: Ways): { values: Values; positionals: string[] } {
  const reaching = Object.fromEntries(Object.entries(ways).map(([name, type]) => [name, { type }]));
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options: { ...reaching, ...COMMON } });
  } catch (error) {
    throw new UsageError(`${(error as Error).message}; see --help`);
  }
}

/**
 * Refuses commands, options and words that would be passed over in silence.
 * @throws UsageError
 */
export function checkUse(
  area: string,
  [verb = '', ...words]: readonly string[],
  values: Values,
  ways: Ways,
): void {
  const known = COMMANDS.get(`${area} ${verb}`);
  if (known === undefined) throw new UsageError(`unknown command "${area} ${verb}"\n\n${usageOf(area)}`);
  const reaching = known.reachesNats === true ? Object.keys(ways) : [];
  const flags: readonly string[] = [...known.flags, ...reaching, ...SAID_EVERYWHERE];
  const other = Object.keys(values).find((flag) => !flags.includes(flag));
  if (other !== undefined) {
    const list = flags.map((flag) => `--${flag}`).join(', ');
    throw new UsageError(`expected an option of "${area} ${verb}", found --${other}; it has ${list}`);
  }
  const extra = words[known.words];
  if (extra !== undefined)
    throw new UsageError(
      `expected ${AT_MOST[known.words] ?? ''} after "${area} ${verb}", found "${extra}"; see --help`,
    );
  if (verb !== 'relay' && (values.topic ?? []).length > 1)
    throw new UsageError(`expected --topic once, found ${(values.topic ?? []).join(' and ')}`);
}

const AT_MOST = ['nothing', 'one aggregate', 'a group and one aggregate'];

export function usageOf(area: string): string {
  if (area === 'outbox') return OUTBOX_USAGE;
  return area === 'inbox' ? INBOX_USAGE : USAGE;
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

/** What was given of the ways to reach NATS. */
export function accessIn(values: Values, ways: Ways): AccessFlags {
  return Object.fromEntries(Object.entries(values).filter(([name]) => Object.hasOwn(ways, name)));
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

/** @throws UsageError */
export function shardsOf({ shards }: Values): number {
  const count = numberOf('shards', shards, SHARDS);
  if (Number.isInteger(Math.log2(count))) return count;
  throw new UsageError(`expected --shards to be a power of two, as the services have it, found ${count}`);
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
