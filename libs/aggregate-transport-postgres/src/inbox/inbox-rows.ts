import { isSabotaged } from '#sabotage';
import { AggregatePostgresError } from '../errors.js';
import type { Opening } from '../database/begin-with.js';
import type { SchemaNames } from '../schema/schema-names.js';
import { isSurelyOpen, repeated, SERVER_PROCESS } from '../transaction/repeated.js';
import { type Row, type Statement, textIn } from '../transaction/statement.js';
import type { Transaction } from '../transaction/transaction.js';
import type { InboxFound, InboxPlace } from './inbox-place.js';

/** The row of a group on a topic that holds the place up to which rows were pruned. No aggregate has this name. */
const FLOOR = '';
/** Rows that one statement prunes: more would hold their locks for long. */
const PRUNED_AT_ONCE = 10_000;

/** The statements that run for each event. Made once. */
export class InboxStatements {
  /** By this name connections keep {@link enter} prepared. */
  readonly name: string;
  readonly enter: string;
  readonly enterCallers: string;
  readonly table: string;

  constructor(names: SchemaNames) {
    this.name = names.statementName('inbox');
    this.table = names.of('inbox');
    this.enter = insert(this.table, 'true');
    const isSame = 'pg_current_xact_id() = $6::text::xid8';
    this.enterCallers = `with entered as (
${insert(this.table, isSame)}
)
select (${isSame})::text as open, count(*)::text as entered from entered`;
  }
}

/** The rows of aggregates in one transaction, or on a pool where one statement is enough. */
export class InboxRows {
  readonly #table: string;

  constructor(
    private readonly run: Statement,
    private readonly statements: InboxStatements,
  ) {
    this.#table = statements.table;
  }

  /**
   * Writes the event's place if its token is not older than the row's and its position is higher. It is one statement,
   * which locks the row until the transaction ends. False if the row refuses it; nothing is written then.
   */
  async enter(place: InboxPlace): Promise<boolean> {
    return InboxRows.hasEntered(await this.run(this.statements.enter, valuesOf(place)));
  }

  /** What {@link enter} runs, as the first statement of a transaction. */
  static opening(place: InboxPlace, { name, enter }: InboxStatements): Opening {
    return { name, sql: enter, values: valuesOf(place) };
  }

  static hasEntered(answer: readonly Row[]): boolean {
    return answer.length === 1;
  }

  /**
   * As {@link enter}, in a transaction of a caller. Outside a transaction, and on a pool, each statement has an id of
   * its own: then nothing is written.
   * @throws TRANSACTION_MISSING
   */
  async enterCallers(place: InboxPlace, transaction: Transaction): Promise<boolean> {
    const { name, enter, enterCallers } = this.statements;
    if (isSurelyOpen(transaction))
      return InboxRows.hasEntered(await repeated(transaction, name)(enter, valuesOf(place)));
    const [own] = await this.run('select pg_current_xact_id()::text as xid', []);
    const [found] = await this.run(enterCallers, [...valuesOf(place), textIn(own, 'xid') ?? '0']);
    if (textIn(found, 'open') !== 'true') throw noTransaction();
    return textIn(found, 'entered') === '1';
  }

  async read({ group, topic, aggregate }: InboxPlace): Promise<InboxFound> {
    const rows = await this.run(
      `select aggregate, position::text as position, fencing_token::text as token from ${this.#table}
       where consumer_group = $1::text and topic = $2::text and aggregate in ($3::text, '${FLOOR}')`,
      [group, topic, aggregate],
    );
    const of = (name: string): Row | undefined => rows.find((row) => textIn(row, 'aggregate') === name);
    const [position, token] = [textIn(of(aggregate), 'position'), textIn(of(aggregate), 'token')];
    const floor = BigInt(textIn(of(FLOOR), 'position') ?? 0);
    if (position === undefined || token === undefined) return { row: undefined, floor };
    return { row: { position: BigInt(position), token: BigInt(token) }, floor };
  }

  /**
   * Removes rows that reached no further than `through` and were last written before `before` (milliseconds since
   * 1970), and remembers `through` in their place. Returns how many, at most {@link PRUNED_AT_ONCE}.
   */
  async prune(group: string, topic: string, through: bigint, before: number): Promise<number> {
    const [row] = await this.run(
      `with floor as (
         insert into ${this.#table} as kept (consumer_group, topic, aggregate, position, fencing_token)
         values ($1::text, $2::text, '${FLOOR}', $3::text::bigint, 0)
         on conflict (consumer_group, topic, aggregate) do update
           set position = greatest(kept.position, excluded.position), updated_at = now()
         returning 1
       ), chosen as (
         select aggregate from ${this.#table}
         where consumer_group = $1::text and topic = $2::text and aggregate <> '${FLOOR}'
           and position <= $3::text::bigint and updated_at < to_timestamp($4::text::double precision / 1000)
         limit ${PRUNED_AT_ONCE} for update skip locked
       ), gone as (
         delete from ${this.#table} as old using chosen, floor
         where old.consumer_group = $1::text and old.topic = $2::text and old.aggregate = chosen.aggregate
         returning 1
       ) select count(*)::text as count from gone`,
      [group, topic, String(through), String(before)],
    );
    return Number(textIn(row, 'count'));
  }

  /** The event is a repeat, seen by a newer owner: from now on the one before it is refused. */
  async raiseToken({ group, topic, aggregate, token }: InboxPlace): Promise<void> {
    await this.run(
      `with raised as (
         update ${this.#table} set fencing_token = $4::text::bigint, updated_at = now()
         where consumer_group = $1::text and topic = $2::text and aggregate = $3::text
           and fencing_token < $4::text::bigint returning 1
       ) select count(*)::text as count from raised`,
      [group, topic, aggregate, String(token)],
    );
  }

  /** Removes the rows of a group; of one topic, or of one aggregate of it, if they are named. Returns how many. */
  async remove(group: string, topic: string | undefined, aggregate: string | undefined): Promise<number> {
    const [row] = await this.run(
      `with gone as (
         delete from ${this.#table} where consumer_group = $1::text
           and ($2::text is null or topic = $2::text) and ($3::text is null or aggregate = $3::text) returning 1
       ) select count(*)::text as count from gone`,
      [group, topic ?? null, aggregate ?? null],
    );
    return Number(textIn(row, 'count'));
  }
}

function insert(table: string, condition: string): string {
  return `insert into ${table} as kept (consumer_group, topic, aggregate, position, fencing_token)
  select $1::text, $2::text, $3::text, $4::text::bigint, $5::text::bigint
  where ${condition} and not exists (
    select from ${table}
    where consumer_group = $1::text and topic = $2::text and aggregate = '${FLOOR}' and position >= $4::text::bigint
  )
  on conflict (consumer_group, topic, aggregate) do update
    set position = excluded.position, fencing_token = excluded.fencing_token, updated_at = now()
    where ${conditions().join(' and ')}
  returning ${SERVER_PROCESS}`;
}

/** What the row must not have passed. */
function conditions(): string[] {
  return [
    ...(isSabotaged('inbox-without-token') ? [] : ['kept.fencing_token <= excluded.fencing_token']),
    ...(isSabotaged('inbox-without-position') ? [] : ['kept.position < excluded.position']),
    'true',
  ];
}

function noTransaction(): AggregatePostgresError {
  return new AggregatePostgresError(
    'TRANSACTION_MISSING',
    'expected an open transaction, found a connection outside one, or a pool; nothing was written: begin a ' +
      'transaction and pass what it gives you, or leave it out',
  );
}

function valuesOf({ group, topic, aggregate, position, token }: InboxPlace): string[] {
  return [group, topic, aggregate, String(position), String(token)];
}
