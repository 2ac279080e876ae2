import type { SchemaNames } from '../../schema/schema-names.js';
import { type Statement, textIn } from '../../transaction/statement.js';
import type { Slots } from '../rows/row-reader.js';

/** Rows that one statement deletes, at most. */
const ROWS_AT_ONCE = 1_000;

/** Deletes some published rows that are old enough. Resolves with true if none is left. */
export type Prune = (run: Statement, topic: string) => Promise<boolean>;

/**
 * Looks at the published rows with the lowest ids only, so that it costs little while none is old enough. A published
 * row with a higher id is seldom older.
 */
export function pruneStatement(names: SchemaNames, { first, last }: Slots, keepMs: number): Prune {
  const outbox = names.of('outbox');
  const sql = `with lowest as (
  select id from ${outbox}
  where topic = $1::text and slot between ${first} and ${last} and published_at is not null
  order by id limit ${ROWS_AT_ONCE}
), gone as (
  delete from ${outbox} as o using lowest
  where o.id = lowest.id and o.published_at < now() - $2::text::bigint * interval '1 millisecond' returning 1
) select count(*)::text as gone from gone`;
  return async (run, topic) => {
    const [row] = await run(sql, [topic, String(keepMs)]);
    return textIn(row, 'gone') !== String(ROWS_AT_ONCE);
  };
}
