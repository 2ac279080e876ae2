import { readFileSync } from 'node:fs';
import { CsvError } from 'csv-parse';
import { parse } from 'csv-parse/sync';

/** A mistake in the file or the arguments, in words for the person who made it. */
export class EventLogError extends Error {
  override readonly name = 'EventLogError';
}

export interface LogColumns {
  readonly aggregate: string;
  readonly type: string;
  readonly order?: string | undefined;
}

export interface LoggedEvent {
  readonly line: number;
  readonly aggregateId: string;
  readonly type: string;
  readonly row: Readonly<Record<string, string>>;
}

/** As many as the topic's stream keeps. */
const MAX_ROWS = 1_000_000;

interface ParsedRow {
  info: { lines: number };
  record: Record<string, string>;
}

/**
 * Reads a CSV event log, header line first. The whole file is checked before anything is published.
 * @throws EventLogError naming the file, column or line
 */
export function readEventLog(file: string, columns: LogColumns): LoggedEvent[] {
  const rows = parseRows(file, readFile(file));
  if (rows.length > MAX_ROWS) {
    throw new EventLogError(
      `expected at most ${MAX_ROWS} rows in ${file}, found ${rows.length}; split the file`,
    );
  }
  const header = Object.keys(rows[0]?.record ?? {});
  for (const column of [columns.aggregate, columns.type, columns.order]) {
    if (column !== undefined && rows.length > 0 && !header.includes(column)) {
      throw new EventLogError(`expected a column "${column}" in ${file}, found ${header.join(', ')}`);
    }
  }
  const events = rows.map(({ info, record }) => ({
    line: info.lines,
    aggregateId: required(record, columns.aggregate, info.lines),
    type: required(record, columns.type, info.lines),
    row: record,
  }));
  return columns.order === undefined ? events : sortedBy(events, columns.order);
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new EventLogError(`expected a CSV file at ${file}, found none that can be read`, { cause });
  }
}

function parseRows(file: string, text: string): ParsedRow[] {
  try {
    return parse(text, {
      columns: true,
      bom: true,
      info: true,
      skip_empty_lines: true,
    }) as unknown as ParsedRow[];
  } catch (cause) {
    if (!(cause instanceof CsvError)) throw cause;
    const line = String((cause as unknown as { lines?: number }).lines ?? 'unknown');
    throw new EventLogError(
      `malformed row in ${file}, line ${line}: ${cause.message}; 0 rows were published`,
      { cause },
    );
  }
}

function required(row: Record<string, string>, column: string, line: number): string {
  const value = row[column] ?? '';
  if (value.trim() !== '') return value;
  throw new EventLogError(
    `expected a value in column "${column}", line ${line}, found none; 0 rows were published`,
  );
}

/** Numbers by value, dates by time, anything else as text; rows that compare equal keep the file's order. */
function sortedBy(events: readonly LoggedEvent[], column: string): LoggedEvent[] {
  const keys = new Map(events.map((event) => [event, event.row[column] ?? '']));
  for (const read of [Number, Date.parse]) {
    const values = new Map([...keys].map(([event, text]) => [event, text === '' ? Number.NaN : read(text)]));
    if ([...values.values()].every((value) => !Number.isNaN(value))) {
      return events.toSorted((a, b) => (values.get(a) ?? 0) - (values.get(b) ?? 0));
    }
  }
  return events.toSorted((a, b) => compareText(keys.get(a) ?? '', keys.get(b) ?? ''));
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
