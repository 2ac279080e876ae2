import { hash } from 'node:crypto';
import { AggregatePostgresError } from '../errors.js';

/** The tables of this library, by the names they have unless `tables` says otherwise. */
export const TABLES = ['outbox', 'outbox_relay', 'outbox_stopped', 'inbox', 'schema_version'] as const;

/** The tables of this package, by what they are for. */
export type TableName = (typeof TABLES)[number];

/** Where the tables stand. Two services that share a database may share them, or name others. */
export interface SchemaOptions {
  /** The schema that holds the tables. 1 to 63 bytes. @default 'messaging' */
  readonly schema?: string;
  /** Names of single tables, where the defaults are taken. 1 to 48 bytes each. */
  readonly tables?: Partial<Record<TableName, string>>;
}

export const DEFAULT_SCHEMA = 'messaging';
/** PostgreSQL cuts longer names off, and two could become one. */
const MAX_NAME_BYTES = 63;
/** What is added to a table's name for its index and its days. */
const SUFFIX_BYTES = 15;

/** 64 bits. */
const HASH_DIGITS = 16;

/** An identifier for SQL: quoted, so that any text is a name and nothing else. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** The names of one installation, checked, and quoted where they become SQL. */
export class SchemaNames {
  readonly schema: string;
  readonly #tables: Readonly<Record<TableName, string>>;

  /** @throws POSTGRES_OPTIONS_INVALID */
  constructor({ schema = DEFAULT_SCHEMA, tables = {} }: SchemaOptions = {}) {
    this.schema = checkedName('schema', schema, MAX_NAME_BYTES);
    const known = Object.fromEntries(
      TABLES.map((table) => [
        table,
        checkedName(`tables.${table}`, tables[table] ?? table, MAX_NAME_BYTES - SUFFIX_BYTES),
      ]),
    ) as Record<TableName, string>;
    for (const name of Object.keys(tables)) if (!(name in known)) throw unknownTable(name);
    if (new Set(Object.values(known)).size < TABLES.length) throw sameName();
    this.#tables = known;
  }

  /** `"messaging"."outbox"`. */
  of(table: TableName): string {
    return `${quoted(this.schema)}.${quoted(this.#tables[table])}`;
  }

  /** The table's own name, not quoted. */
  plain(table: TableName): string {
    return this.#tables[table];
  }

  /** The channel on which a transaction that added events tells the relay, with the topic as payload. */
  get channel(): string {
    return `outbox_${this.hashOf('notify').toString(16).slice(-12)}`;
  }

  /** A name for a statement on this table that connections keep prepared; another installation has another one. */
  statementName(table: TableName): string {
    return `${table}_${this.hashOf('statement', this.#tables[table]).toString(16)}`;
  }

  /**
   * A number for an advisory lock: the same parts give the same number, and another installation in the same database
   * another one. Two different parts share a number once in 2^64, and then only wait for each other.
   */
  lockKey(...parts: readonly string[]): bigint {
    return BigInt.asIntN(64, this.hashOf(...parts));
  }

  private hashOf(...parts: readonly string[]): bigint {
    const text = JSON.stringify([this.schema, this.#tables.outbox, ...parts]);
    return BigInt(`0x${hash('sha256', text).slice(0, HASH_DIGITS)}`);
  }
}

function checkedName(option: string, name: unknown, maxBytes: number): string {
  const bytes = typeof name === 'string' ? Buffer.byteLength(name, 'utf8') : 0;
  if (typeof name === 'string' && bytes >= 1 && bytes <= maxBytes && !name.includes('\0')) return name;
  const found = typeof name === 'string' ? `one of ${bytes} bytes, or with a zero byte` : typeof name;
  throw new AggregatePostgresError(
    'POSTGRES_OPTIONS_INVALID',
    `expected ${option} to be a name of 1 to ${maxBytes} bytes, found ${found}; choose another name`,
  );
}

function unknownTable(name: string): AggregatePostgresError {
  return new AggregatePostgresError(
    'POSTGRES_OPTIONS_INVALID',
    `expected tables to name ${TABLES.join(', ')}, found ${JSON.stringify(name)}; leave it out`,
  );
}

function sameName(): AggregatePostgresError {
  return new AggregatePostgresError(
    'POSTGRES_OPTIONS_INVALID',
    'expected a name of its own for each table, found two alike; correct the option tables',
  );
}
