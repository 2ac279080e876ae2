import type { Database } from '../database/database.js';
import { type Statement, textIn } from '../transaction/statement.js';
import { sqlStateOf } from '../transaction/failure.js';
import { quoted, type SchemaNames } from './schema-names.js';

/** Which days of a divided outbox there have to be. */
export interface DayOptions {
  /** Now, in milliseconds since 1970. Days are those of UTC. */
  readonly wallMs: number;
  /** How many days from today on, 1 to 366. */
  readonly days: number;
}

/** The day tables of an outbox, as the database lists them. Days are counted from 1970, in UTC. */
export interface ListedDays {
  /** False if the outbox is one undivided table. */
  readonly isDivided: boolean;
  /** Only the owner of the outbox can make and drop its day tables. */
  readonly isOwner: boolean;
  readonly days: readonly number[];
}

const DAY_MS = 86_400_000;
/** A transaction that began before midnight adds to the day it began in. */
const OLD_AFTER_DAYS = 2;
/**
 * Making and dropping a day needs the outbox for itself, for a moment. While it waits for an open transaction, later
 * ones that add or read wait for it. So it gives up soon.
 */
const LOCK_WITHIN_MS = 500;
/** An emptied table of which vacuum has not given back the pages yet takes long to look through. */
const LOOK_WITHIN_MS = 1_000;
/** What the rest of the outbox holds cannot get a day table of its own any more. */
const ROWS_IN_THE_REST = '23514';
const ALREADY_THERE = new Set(['42P07', '23505']);
const ALREADY_GONE = '42P01';

/** Which day tables are missing, and which are old enough to be dropped if they are empty. Pure. */
export function planDays(
  { wallMs, days }: DayOptions,
  existing: readonly number[],
): { readonly make: readonly number[]; readonly drop: readonly number[] } {
  const today = Math.floor(wallMs / DAY_MS);
  const wanted = Array.from({ length: days }, (_, ahead) => today + ahead);
  return {
    make: wanted.filter((day) => !existing.includes(day)),
    drop: existing.filter((day) => day <= today - OLD_AFTER_DAYS).toSorted((one, other) => one - other),
  };
}

/** Reads the day tables from the catalog. A table under another name is not one of ours. */
export async function listDays(run: Statement, names: SchemaNames): Promise<ListedDays> {
  const rows = await run(
    `select parent.relkind::text as kind, pg_has_role(parent.relowner, 'usage')::text as owner,
       child.relname::text as name
     from pg_class as parent
     left join pg_inherits on inhparent = parent.oid
     left join pg_class as child on child.oid = inhrelid
     where parent.oid = to_regclass($1::text)`,
    [names.of('outbox')],
  );
  const prefix = `${names.plain('outbox')}_`;
  const days = rows.flatMap((row) => {
    const name = textIn(row, 'name') ?? '';
    return name.startsWith(prefix) ? (dayIn(name.slice(prefix.length)) ?? []) : [];
  });
  const [first] = rows;
  return { isDivided: textIn(first, 'kind') === 'p', isOwner: textIn(first, 'owner') === 'true', days };
}

/**
 * Makes the table of a day, and answers its name. Undefined if it is there, or if the rest table holds rows of that
 * day already: the day is then left to it. Events are added either way.
 * @throws what the statement failed with, 55P03 among it if the outbox was busy for {@link LOCK_WITHIN_MS}
 */
export async function makeDay(
  database: Pick<Database, 'transaction'>,
  names: SchemaNames,
  day: number,
): Promise<string | undefined> {
  const name = nameOf(names, day);
  const bounds = `from ('${isoDay(day)} 00:00:00+00') to ('${isoDay(day + 1)} 00:00:00+00')`;
  try {
    await database.transaction(async ({ run }) => {
      await run(`set local lock_timeout = ${LOCK_WITHIN_MS}`, []);
      await run(
        `create table ${tableOf(names, day)} partition of ${names.of('outbox')} for values ${bounds} ` +
          'with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)',
        [],
      );
    });
    return name;
  } catch (error) {
    const state = sqlStateOf(error) ?? '';
    if (state === ROWS_IN_THE_REST || ALREADY_THERE.has(state)) return undefined;
    throw error;
  }
}

/**
 * Drops the table of a day if it is empty, and answers its name. Undefined if it holds a row, or is gone.
 * @throws what a statement failed with, 55P03 and 57014 among it if the outbox or the look was slow
 */
export async function dropEmptyDay(
  database: Pick<Database, 'run' | 'transaction'>,
  names: SchemaNames,
  day: number,
): Promise<string | undefined> {
  const table = tableOf(names, day);
  const holdsRows = `select exists (select from ${table})::text as found`;
  try {
    // Looked at without the lock first: nearly always it holds something.
    if (textIn((await database.run(holdsRows, []))[0], 'found') === 'true') return undefined;
    return await database.transaction(async ({ run }) => {
      await run(`set local lock_timeout = ${LOCK_WITHIN_MS}`, []);
      await run(`set local statement_timeout = ${LOOK_WITHIN_MS}`, []);
      // The outbox first: a transaction that adds takes them in that order, too.
      await run(`lock table only ${names.of('outbox')} in access exclusive mode`, []);
      await run(`lock table ${table} in access exclusive mode`, []);
      if (textIn((await run(holdsRows, []))[0], 'found') === 'true') return undefined;
      await run(`drop table ${table}`, []);
      return nameOf(names, day);
    });
  } catch (error) {
    if (sqlStateOf(error) === ALREADY_GONE) return undefined;
    throw error;
  }
}

/**
 * Makes the tables of the days to come, and resolves with the names of those that were missing. A day whose rows the
 * rest table holds already stays there: it is left out. Events are added either way.
 */
export async function ensureDays(
  database: Database,
  names: SchemaNames,
  options: DayOptions,
): Promise<string[]> {
  const { days } = await listDays(database.run, names);
  const made: string[] = [];
  for (const day of planDays(options, days).make) {
    const name = await makeDay(database, names, day);
    if (name !== undefined) made.push(name);
  }
  return made;
}

function nameOf(names: SchemaNames, day: number): string {
  return `${names.plain('outbox')}_${isoDay(day).replaceAll('-', '')}`;
}

function tableOf(names: SchemaNames, day: number): string {
  return `${quoted(names.schema)}.${quoted(nameOf(names, day))}`;
}

function isoDay(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 'yyyy-mm-dd'.length);
}

/** The day that the end of a table's name stands for; undefined if it stands for none. */
function dayIn(text: string): number | undefined {
  const [, year, month, day] = /^(\d{4})(\d\d)(\d\d)$/.exec(text) ?? [];
  const ms = Date.parse(`${year}-${month}-${day}T00:00:00Z`);
  return Number.isNaN(ms) ? undefined : ms / DAY_MS;
}
