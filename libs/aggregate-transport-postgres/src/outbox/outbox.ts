import { isSabotaged, reached } from '#sabotage';
import {
  type AggregateEvent,
  type CheckedEvent,
  type EventIn,
  type EventMap,
  type InputsOf,
} from 'nestjs-aggregate-transport';
import { AggregatePostgresError } from '../errors.js';
import type { SchemaNames } from '../schema/schema-names.js';
import { isSurelyOpen, repeated, SERVER_PROCESS } from '../transaction/repeated.js';
import { statementOf } from '../transaction/statement-of.js';
import { textIn } from '../transaction/statement.js';
import type { Transaction } from '../transaction/transaction.js';
import { columnsOf, listOf, lockKeysOf, ROW_COLUMNS } from './outbox-rows.js';

/** An event as `publish` takes it. Only the relay knows what stands before it in the stream. */
export type OutboxEvent<M, K extends keyof M & string = keyof M & string> = EventIn<M, K> & {
  expectedSequence?: never;
};

/** The outbox type of a topic: `OutboxOf<typeof orders>`. */
export type OutboxOf<T> = Outbox<InputsOf<T> & object>;

/** What `add` has written. It counts once the transaction is committed. */
export interface OutboxReceipt {
  /** The topic that the events will be stored in. */
  readonly topic: string;
  /** The ids of the events, in the order given. Each will be the event's id in the stream. */
  readonly eventIds: readonly string[];
}

/** Checks events as the topic's publisher does, and encodes them. */
export interface EventChecker {
  /** Lists of one aggregate resolve in call order. */
  checkAll(events: readonly AggregateEvent[]): Promise<readonly CheckedEvent[]>;
}

export interface OutboxParts {
  readonly topic: string;
  readonly names: SchemaNames;
  readonly checker: EventChecker;
  /** Whether a transaction that adds events wakes the relay by a notification. */
  readonly notify: boolean;
}

/** Events in one call of `add`. A longer list would hold more locks than a server is made for. */
const MAX_LIST = 1_000;

/**
 * Adds events of one topic to the outbox, within the caller's transaction: they are published if it commits, and only
 * then. It guarantees that an aggregate's events are published in the order in which its transactions committed.
 *
 * The race that this prevents:
 *
 * 1. Transaction A adds an event of an aggregate and draws id 1. It stays open.
 * 2. Transaction B adds an event of that aggregate, draws id 2, and commits. The relay publishes id 2.
 * 3. A commits. Its id 1 is stored after id 2.
 *
 * So `add` locks the aggregate first, and then draws the id. The lock ends with the transaction, after its rows can be
 * seen. B waits in step 2, without an id. Events of different aggregates wait for nothing.
 */
export class Outbox<M extends object = EventMap> {
  readonly #sql: string;
  readonly #name: string;

  /** @internal Injected by `@InjectOutbox(topic)`. */
  constructor(private readonly parts: OutboxParts) {
    this.#sql = addStatement(parts.names);
    this.#name = parts.names.statementName('outbox');
  }

  /** The topic that a relay publishes the events to. */
  get topic(): string {
    return this.parts.topic;
  }

  /**
   * Adds one event, or up to 1 000 in the order given, to the outbox. Resolves when they are written in the caller's
   * transaction. From then on other transactions that add events of these aggregates wait for its end.
   *
   * Every event is checked as `publish` checks it, before anything is written. If the transaction was not open the
   * call rejects, and nothing is written.
   *
   * Two transactions that add events of the same aggregates one by one, in different orders, can end in a deadlock.
   * The server then fails one of them with `TRANSACTION_RETRY`. One call with a list locks in one order for all.
   *
   * @throws AGGREGATE_ID_INVALID, EVENT_INVALID, PAYLOAD_NOT_SERIALIZABLE, EVENT_TOO_LARGE, HEADER_RESERVED
   *   (`AggregateTransportError`), OUTBOX_EVENT_INVALID, OUTBOX_LIST_TOO_LONG, TRANSACTION_UNKNOWN: nothing was sent
   * @throws TRANSACTION_MISSING: there is no open transaction, or it is a pool; nothing was written
   * @throws TRANSACTION_ABORTED, TRANSACTION_RETRY, OUTBOX_LOCKS_EXHAUSTED, SCHEMA_MISSING, RIGHTS_MISSING,
   *   STATEMENT_FAILED: roll the transaction back
   */
  async add<K extends keyof M & string>(
    transaction: Transaction,
    events: OutboxEvent<M, K> | readonly OutboxEvent<M, K>[],
  ): Promise<OutboxReceipt> {
    const run = repeated(transaction, this.#name);
    const { topic, names, notify } = this.parts;
    const checked = await this.#checked(Array.isArray(events) ? (events as readonly unknown[]) : [events]);
    const receipt = { topic, eventIds: checked.map(({ eventId }) => eventId) };
    if (checked.length === 0) return receipt;
    const keys = isSabotaged('add-without-lock') ? [] : lockKeysOf(names, topic, checked);
    const columns = columnsOf(checked);
    const within = isSurelyOpen(transaction) ? null : await idOf(transaction);
    const adding = run(this.#sql, [listOf(keys), within, topic, notify ? names.channel : null, ...columns]);
    reached('add: sent');
    const [added] = await adding;
    if (textIn(added, 'count') !== String(checked.length)) throw noTransaction();
    reached('add: added');
    return receipt;
  }

  async #checked(events: readonly unknown[]): Promise<readonly CheckedEvent[]> {
    if (events.length > MAX_LIST) throw tooLong(events.length);
    if (events.some(hasExpectation)) throw expectation();
    return this.parts.checker.checkAll(events as readonly AggregateEvent[]);
  }
}

/**
 * By the transaction's id the next statement knows whether it runs in the same one. Outside a transaction, and on a
 * pool, each statement has another id.
 */
async function idOf(transaction: Transaction): Promise<string> {
  const [row] = await statementOf(transaction)('select pg_current_xact_id()::text as xid', []);
  return textIn(row, 'xid') ?? '0';
}

/**
 * Locks the aggregates in the order given, until the transaction ends, and then inserts the rows. An id is drawn for a
 * row that has been joined with the count of locks. There is none before the last lock is held, in any plan. The
 * transaction has its own id before that, which the relay relies on.
 *
 * `$2` is the transaction in which it has to run, or null. It writes nothing in another one.
 */
function addStatement(names: SchemaNames): string {
  const columns = Object.keys(ROW_COLUMNS).join(', ');
  const lists = Object.values(ROW_COLUMNS).map((type, place) => `$${place + 5}::text::${type}[]`);
  return `with locked as materialized (
  select pg_current_xact_id() as own, count(pg_advisory_xact_lock(key)::text) as locks
  from unnest($1::text::bigint[]) as given(key)
), added as (
  insert into ${names.of('outbox')} (topic, ${columns})
  select $3::text, aggregate, slot, event_id, event::json, decode(body, 'base64'), headers::json
  from locked, unnest(${lists.join(', ')}) with ordinality as listed(${columns}, place)
  where locks >= 0 and ($2::text is null or own = $2::text::xid8)
  order by place
  returning 1
)
select count(*)::text as count, ${SERVER_PROCESS},
  case when $4::text is not null then pg_notify($4::text, $3::text)::text end as told
from added having count(*) > 0`;
}

function hasExpectation(event: unknown): boolean {
  try {
    return (event as { expectedSequence?: unknown } | null | undefined)?.expectedSequence !== undefined;
  } catch {
    return false;
  }
}

function expectation(): AggregatePostgresError {
  return new AggregatePostgresError(
    'OUTBOX_EVENT_INVALID',
    'expected an event without expectedSequence, found one with it; nothing was written: the relay keeps the order ' +
      'of the transactions, so leave it out',
  );
}

function tooLong(found: number): AggregatePostgresError {
  return new AggregatePostgresError(
    'OUTBOX_LIST_TOO_LONG',
    `expected at most ${MAX_LIST} events in one call, found ${found}; nothing was written: add them in several calls`,
  );
}

function noTransaction(): AggregatePostgresError {
  return new AggregatePostgresError(
    'TRANSACTION_MISSING',
    'expected an open transaction, found a connection outside one, or a pool; nothing was written: begin a ' +
      'transaction and pass what it gives you',
  );
}
