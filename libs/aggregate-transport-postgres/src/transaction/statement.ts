/** One row of an answer: a value per column. Columns are single lower-case words, which no plugin renames. */
export type Row = Readonly<Record<string, unknown>>;

/**
 * The one port to a database: a statement with `$1`, `$2`, … and its values, all of them texts or null. Every statement
 * of this library is a `select` (writes stand in its `with`), because some libraries answer others by counts alone.
 */
export type Statement = (sql: string, values: readonly (string | null)[]) => Promise<readonly Row[]>;

/** The rows of an answer, as the libraries shape it: a list of rows, or an object that holds it. */
export function rowsOf(answer: unknown): readonly Row[] | undefined {
  if (Array.isArray(answer)) return answer as Row[];
  const rows = (answer as { rows?: unknown } | null | undefined)?.rows;
  return Array.isArray(rows) ? (rows as Row[]) : undefined;
}

/** A column that holds a text; every statement of this library casts what it reads. */
export function textIn(row: Row | undefined, column: string): string | undefined {
  const value = row?.[column];
  return typeof value === 'string' ? value : undefined;
}
