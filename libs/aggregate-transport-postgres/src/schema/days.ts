import type { Statement } from '../transaction/statement.js';
import { sqlStateOf } from '../transaction/failure.js';
import { quoted, type SchemaNames } from './schema-names.js';

/** Which days of a divided outbox there have to be. */
export interface DayOptions {
  /** Now, in milliseconds since 1970. Days are those of UTC. */
  readonly wallMs: number;
  /** How many days from today on, 1 to 366. */
  readonly days: number;
}

const DAY_MS = 86_400_000;
/** What the rest of the outbox holds cannot get a day table of its own any more. */
const ROWS_IN_THE_REST = '23514';
const ALREADY_THERE = new Set(['42P07', '23505']);

/**
 * Makes the tables of the days to come, and resolves with the names of those that were missing. A day whose rows the
 * rest table holds already stays there: it is left out. Events are added either way.
 */
export async function ensureDays(
  run: Statement,
  names: SchemaNames,
  { wallMs, days }: DayOptions,
): Promise<string[]> {
  const first = Math.floor(wallMs / DAY_MS);
  const made: string[] = [];
  for (let day = first; day < first + days; day++) {
    const name = `${names.plain('outbox')}_${isoDay(day).replaceAll('-', '')}`;
    const table = `${quoted(names.schema)}.${quoted(name)}`;
    const [known] = await run('select to_regclass($1::text)::text as found', [table]);
    if (typeof known?.['found'] === 'string') continue;
    const bounds = `from ('${isoDay(day)} 00:00:00+00') to ('${isoDay(day + 1)} 00:00:00+00')`;
    try {
      await run(
        `create table ${table} partition of ${names.of('outbox')} for values ${bounds} ` +
          'with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000)',
        [],
      );
      made.push(name);
    } catch (error) {
      const state = sqlStateOf(error) ?? '';
      if (state !== ROWS_IN_THE_REST && !ALREADY_THERE.has(state)) throw error;
    }
  }
  return made;
}

function isoDay(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 'yyyy-mm-dd'.length);
}
