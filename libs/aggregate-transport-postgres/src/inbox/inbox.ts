import { reached } from '#sabotage';
import { type TopicRef, tokenOf } from 'nestjs-aggregate-transport';
import type { Database } from '../database/database.js';
import { AggregatePostgresError } from '../errors.js';
import type { SchemaNames } from '../schema/schema-names.js';
import { statementOf } from '../transaction/statement-of.js';
import type { Row } from '../transaction/statement.js';
import type { QueryingTransaction, Transaction } from '../transaction/transaction.js';
import { FencedError } from './fenced-error.js';
import { type InboxFence, InboxFences } from './inbox-fences.js';
import { type InboxContext, type InboxPlace, judgeRefused, placeOf } from './inbox-place.js';
import { InboxRows, InboxStatements } from './inbox-rows.js';

/** `done`: the effect ran. `repeat`: an earlier transaction has committed it, and nothing ran. */
export type InboxOutcome = 'done' | 'repeat';

/** Which rows of aggregates at rest are removed. */
export interface PruneOptions {
  /** A name, or what `defineTopic` returned. */
  readonly topic: TopicRef;
  /** @default the only group that this service handles the topic in */
  readonly group?: string | undefined;
  /** Rows last written longer ago than this, in milliseconds, from 60 000. */
  readonly olderThanMs: number;
}

/** Tells how far a group has settled a topic for good. */
export interface SettledTopics {
  /**
   * The position up to which every event is settled and no letter waits, and the group; undefined if the server does
   * not tell.
   * @throws INBOX_GROUP_UNKNOWN
   */
  through(topic: string, group?: string): Promise<{ group: string; position: bigint } | undefined>;
}

export interface InboxParts {
  readonly settled: SettledTopics;
  readonly database: Pick<Database, 'run' | 'transaction'>;
  readonly names: SchemaNames;
  /** Whether the options ask for it; only then were its rows and rights checked at start-up. */
  readonly isOn: boolean;
  /** Milliseconds since 1970. */
  readonly wallNow: () => number;
}

/** A younger row may belong to a transaction that is still open. */
const LEAST_AGE_MS = 60_000;
/** How often a row may change between two looks at it before the transaction is given up. */
const MAX_LOOKS = 3;

/**
 * Commits the effect of each event once, in order, by the partition's owner and by no other process.
 *
 * One row for each group and aggregate holds the position of the last event applied and the fencing token of the owner
 * that applied it. It is written in the same transaction as the effect. The races that this decides:
 *
 * 1. An owner commits an effect and dies before the event is settled. The next owner handles the event again: its
 *    position is not higher than the row's, so it is a `repeat`.
 * 2. An owner freezes within its transaction and loses the partition. The next owner waits for its row lock, or writes
 *    the row first. Whichever commits second finds the other's row.
 * 3. It freezes before its transaction, and wakes up when the next owner has applied events of the aggregate. Its token
 *    is older, so it is refused, also for events that the next one has not reached.
 * 4. The group is reset. Positions are higher in each run, so the effects are applied again.
 */
export class Inbox {
  readonly #fences: InboxFences;
  readonly #statements: InboxStatements;

  /** @internal Injected by its class. */
  constructor(private readonly parts: InboxParts) {
    this.#fences = new InboxFences(parts.wallNow);
    this.#statements = new InboxStatements(parts.names);
  }

  /**
   * Runs an effect in a transaction, unless an earlier one has committed it. `ctx` is what `@Ctx()` injects. Resolves
   * when the transaction has committed.
   *
   * Call it once for each event: a second call for the same event is a `repeat`, with any effect. If the effect
   * rejects, everything is rolled back and the call rejects with the effect's error: the event is retried in its place.
   *
   * @throws FENCED: a newer owner has written the row. The event blocks its aggregate; it is not retried or parked
   * @throws POSTGRES_OPTIONS_INVALID if the option `inbox` is not set
   * @throws TRANSACTION_RETRY, STATEMENT_FAILED, SCHEMA_MISSING, RIGHTS_MISSING: nothing was committed
   */
  once(ctx: InboxContext, effect: (transaction: QueryingTransaction) => unknown): Promise<InboxOutcome>;
  /**
   * The same in the caller's own transaction. Resolves when the effect has run; whether it counts is decided by the
   * caller's commit. Let a rejection reach what rolls the transaction back.
   *
   * @throws TRANSACTION_MISSING: no transaction is open; nothing was written
   * @throws FENCED and the others as above: roll the transaction back
   */
  once<T extends Transaction>(
    ctx: InboxContext,
    transaction: T,
    effect: (transaction: T) => unknown,
  ): Promise<InboxOutcome>;
  async once<T extends Transaction>(
    ctx: InboxContext,
    given: T | ((transaction: QueryingTransaction) => unknown),
    effect?: (transaction: T) => unknown,
  ): Promise<InboxOutcome> {
    if (!this.parts.isOn) throw notOn();
    const place = placeOf(ctx);
    try {
      const outcome =
        effect === undefined
          ? await this.#inOwn(place, given as (transaction: QueryingTransaction) => unknown)
          : await this.#inCallers(place, given as T, effect);
      this.#fences.clear(place);
      return outcome;
    } catch (error) {
      if (error instanceof FencedError) this.#fences.note(error);
      throw error;
    }
  }

  /**
   * Forgets how far a group has come: every event that comes again is applied again, under any token. Needed when the
   * database is newer than the streams, after a restore of either. Stop the group first: an event that is being handled
   * would be applied twice. Resolves with the number of rows removed. Safe to call again.
   */
  reset(group: string, of: { topic?: TopicRef; aggregateId?: string } = {}): Promise<number> {
    const { topic, aggregateId } = of;
    const name = typeof topic === 'object' ? topic.name : topic;
    const aggregate = aggregateId === undefined ? undefined : tokenOf(aggregateId);
    return new InboxRows(this.parts.database.run, this.#statements).remove(group, name, aggregate);
  }

  /**
   * Removes the rows of aggregates at rest, of one topic and group. They were last written before `olderThanMs`
   * milliseconds ago (from a minute), every event they stand for is settled, and none of its letters waits. An event
   * that comes again all the same is still a `repeat`: the place up to which rows went is kept. What a pruned row no
   * longer does is refuse an older owner, so choose a time that no process can be frozen for.
   *
   * Resolves with the number of rows removed; 0 if the streams' server does not tell what is settled. Safe to call in
   * several processes.
   * @throws INBOX_GROUP_UNKNOWN if this service has no handlers of the group on the topic
   */
  async prune({ topic, group, olderThanMs }: PruneOptions): Promise<number> {
    if (!(olderThanMs >= LEAST_AGE_MS)) throw tooYoung(olderThanMs);
    const { database, wallNow, settled } = this.parts;
    const name = typeof topic === 'object' ? topic.name : topic;
    const found = await settled.through(name, group);
    if (found === undefined || found.position <= 0n) return 0;
    const rows = new InboxRows(database.run, this.#statements);
    const before = wallNow() - olderThanMs;
    let pruned = 0;
    for (;;) {
      const now = await rows.prune(found.group, name, found.position, before);
      pruned += now;
      if (now === 0) return pruned;
    }
  }

  /** Aggregates that a newer owner's token keeps from being handled here, the oldest first. */
  fences(): readonly InboxFence[] {
    return this.#fences.current();
  }

  #inOwn(place: InboxPlace, effect: (transaction: QueryingTransaction) => unknown): Promise<InboxOutcome> {
    const opening = InboxRows.opening(place, this.#statements);
    return this.parts.database.transaction(async ({ run, opened, client }) => {
      const rows = new InboxRows(run, this.#statements);
      let first: readonly Row[] | undefined = opened;
      const enter = async (): Promise<boolean> => {
        const answer = first;
        first = undefined;
        return answer === undefined ? rows.enter(place) : InboxRows.hasEntered(answer);
      };
      return applied(rows, place, enter, () => effect(client));
    }, opening);
  }

  #inCallers<T extends Transaction>(
    place: InboxPlace,
    transaction: T,
    effect: (transaction: T) => unknown,
  ): Promise<InboxOutcome> {
    const rows = new InboxRows(statementOf(transaction), this.#statements);
    return applied(
      rows,
      place,
      () => rows.enterCallers(place, transaction),
      () => effect(transaction),
    );
  }
}

function tooYoung(found: unknown): AggregatePostgresError {
  return new AggregatePostgresError(
    'POSTGRES_OPTIONS_INVALID',
    `expected olderThanMs of prune to be a number from ${LEAST_AGE_MS}, found ${String(found)}; nothing was removed`,
  );
}

function notOn(): AggregatePostgresError {
  return new AggregatePostgresError(
    'POSTGRES_OPTIONS_INVALID',
    'expected the option inbox of AggregatePostgresModule to be true, found false; set it: the table and the rights to ' +
      'it are then checked at start-up',
  );
}

async function applied(
  rows: InboxRows,
  place: InboxPlace,
  enter: () => Promise<boolean>,
  effect: () => unknown,
): Promise<InboxOutcome> {
  for (let look = 1; look <= MAX_LOOKS; look++) {
    if (await enter()) {
      reached('inbox: entered');
      await effect();
      return 'done';
    }
    const found = await rows.read(place);
    const { row } = found;
    const judged = judgeRefused(place, found);
    if (row !== undefined && judged === 'fenced') throw new FencedError(place, row.token);
    if (judged !== 'repeat') continue;
    if (row !== undefined && row.token < place.token) await rows.raiseToken(place);
    return 'repeat';
  }
  throw new AggregatePostgresError(
    'TRANSACTION_RETRY',
    `expected the row of aggregate "${place.aggregate}" to stay while it was read, found that it changed ${MAX_LOOKS} ` +
      'times; roll the transaction back and run it again',
  );
}
