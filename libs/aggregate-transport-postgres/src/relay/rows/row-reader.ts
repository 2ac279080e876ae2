import type { SchemaNames } from '../../schema/schema-names.js';
import type { Statement } from '../../transaction/statement.js';
import { textIn } from '../../transaction/statement.js';
import { type OutboxRow, outboxRowOf } from './outbox-row.js';
import { type Snapshot, snapshotOf } from './open-transactions.js';

/** The slots of one shard, first and last. */
export interface Slots {
  readonly first: number;
  readonly last: number;
}

/** How much one read may bring. */
export interface PageLimits {
  readonly rows: number;
  /** Of the bodies. A single row may exceed it. */
  readonly bytes: number;
}

export interface Range {
  readonly above: number;
  readonly upTo?: number;
  /** Aggregates whose rows are not wanted. */
  readonly without: readonly string[];
  /** Ids that are in memory already. */
  readonly known: readonly number[];
}

export interface Page {
  /** By id. */
  readonly rows: readonly OutboxRow[];
  /** True if the limits may have left rows out. */
  readonly isFull: boolean;
  readonly snapshot: Snapshot;
}

/** PostgreSQL's highest bigint. */
const NO_END = '9223372036854775807';

/** Reads unpublished rows of one shard. Each read sees one moment of the database. */
export class RowReader {
  readonly #page: string;
  readonly #ofOne: string;

  constructor(
    private readonly run: Statement,
    private readonly topic: string,
    slots: Slots,
    names: SchemaNames,
  ) {
    this.#page = pageStatement(
      names,
      `id <= $3::text::bigint and slot between ${slots.first} and ${slots.last}
        and aggregate not in (select json_array_elements_text($6::text::json))
        and id not in (select json_array_elements_text($7::text::json)::bigint)
        and not exists (select from ${names.of('outbox_stopped')} as s
          where s.topic = o.topic and s.aggregate = o.aggregate)`,
    );
    this.#ofOne = pageStatement(names, 'aggregate = $3::text');
  }

  /** The next rows of aggregates that are not stopped, in the order of ids. */
  async read({ above, upTo, without, known }: Range, limits: PageLimits): Promise<Page> {
    const end = upTo === undefined ? NO_END : String(upTo);
    const rest = [JSON.stringify(without), JSON.stringify(known)];
    const lines = await this.run(this.#page, [this.topic, String(above), end, ...limitsOf(limits), ...rest]);
    return pageOf(lines, limits);
  }

  /** The next rows of one aggregate, stopped or not. */
  async readOne(token: string, above: number, limits: PageLimits): Promise<Page> {
    const lines = await this.run(this.#ofOne, [this.topic, String(above), token, ...limitsOf(limits)]);
    return pageOf(lines, limits);
  }
}

function limitsOf({ rows, bytes }: PageLimits): [string, string] {
  return [String(rows), String(bytes)];
}

/**
 * One statement sees one snapshot, and tells it: rows come with what was open when they were read. If there are rows it
 * takes a transaction's number of its own, without writing anything: {@link OpenTransactions} tells why.
 */
function pageStatement(names: SchemaNames, where: string): string {
  return `with page as materialized (
  select * from (
    select *, sum(size) over (order by id) - size as before from (
      select id, aggregate, event_id, event, body, headers,
        coalesce(octet_length(body), octet_length(event::text)) + coalesce(octet_length(headers::text), 0) as size
      from ${names.of('outbox')} as o
      where topic = $1::text and published_at is null and id > $2::text::bigint and ${where}
      order by id limit $4::text::bigint
    ) as listed
  ) as measured
  where before < $5::text::bigint
)
select null::text as id, null::text as aggregate, null::text as name, null::text as event,
  null::text as body, null::text as headers, pg_current_snapshot()::text as snapshot,
  case when exists (select from page) then pg_current_xact_id()::text end as own
union all
select id::text, aggregate, event_id, event::text, encode(body, 'base64'), headers::text, null, null from page`;
}

function pageOf(lines: readonly object[], limits: PageLimits): Page {
  const rows: OutboxRow[] = [];
  let snapshot = '';
  for (const line of lines as Parameters<typeof textIn>[0][]) {
    const row = outboxRowOf(line ?? {});
    if (row === undefined) snapshot = textIn(line, 'snapshot') ?? '';
    else rows.push(row);
  }
  rows.sort((one, other) => one.id - other.id);
  const bytes = rows.reduce((sum, row) => sum + row.bytes, 0);
  return {
    rows,
    isFull: rows.length >= limits.rows || bytes >= limits.bytes,
    snapshot: snapshotOf(snapshot),
  };
}
