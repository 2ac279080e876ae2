import { aggregateIdOf } from 'nestjs-aggregate-transport';
import type { SchemaNames } from '../../schema/schema-names.js';
import { type Row, type Statement, textIn } from '../../transaction/statement.js';

/** An aggregate whose event was refused. Never holds a payload. */
export interface StoppedAggregate {
  /** The topic of the event. */
  readonly topic: string;
  /** The aggregate that is stopped. */
  readonly aggregateId: string;
  /** The event that was refused. */
  readonly eventId: string;
  /** The publisher's error code, such as `EVENT_TOO_LARGE`. */
  readonly code: string;
  /** The text of the publisher's error. */
  readonly reason: string;
  /** Milliseconds since 1970, by the database's clock. */
  readonly since: number;
  /** True if an operator has asked to try again, and that is under way. */
  readonly isRetried: boolean;
}

/** The relay of one shard. */
export interface ShardOwner {
  /** The shard's number, from 0, and how many there are. */
  readonly shard: number;
  /** How many shards there are. */
  readonly shards: number;
  /** Host and process. */
  readonly holder: string;
  /** Grows with each take-over. */
  readonly epoch: number;
  /** False if its connection has ended. Undefined if the role may not see that. */
  readonly isAlive: boolean | undefined;
}

/** How the outbox of one topic stands. */
export interface OutboxStatus {
  /** Its name. */
  readonly topic: string;
  /** Rows that are not published yet; 100 000 means that many or more. */
  readonly rows: number;
  /** Age of the oldest of them, in milliseconds; 0 if there is none. */
  readonly oldestMs: number;
  /** One for each shard that a process relays. */
  readonly owners: readonly ShardOwner[];
  /** How many aggregates are stopped. */
  readonly stopped: number;
  /** The first of them, at most 100, the longest stopped first. */
  readonly stoppedAggregates: readonly StoppedAggregate[];
}

const MOST_COUNTED = 100_000;
const MOST_STOPPED = 100;

/** Reads how outboxes stand, for an observer or an operator. It writes nothing. */
export class OutboxLooks {
  constructor(
    private readonly run: Statement,
    private readonly names: SchemaNames,
  ) {}

  async status(topic: string): Promise<OutboxStatus> {
    const [lag, oldestMs, owners, stopped, stoppedAggregates] = await Promise.all([
      this.lag(topic),
      this.oldestMs(topic),
      this.#owners(topic),
      this.stoppedCount(topic),
      this.stopped(topic, MOST_STOPPED),
    ]);
    return { topic, rows: lag, oldestMs, owners, stopped, stoppedAggregates };
  }

  /** Rows that are not published yet, counted up to 100 000. */
  async lag(topic: string): Promise<number> {
    const [row] = await this.run(
      `select count(*)::text as rows from (select from ${this.names.of('outbox')}
      where topic = $1::text and published_at is null limit ${MOST_COUNTED}) as counted`,
      [topic],
    );
    return Number(textIn(row, 'rows') ?? 0);
  }

  /** The age of the row with the lowest id. */
  async oldestMs(topic: string): Promise<number> {
    const [row] = await this.run(
      `select greatest(0, extract(epoch from clock_timestamp() - created_at) * 1000)::bigint::text as age
      from ${this.names.of('outbox')} where topic = $1::text and published_at is null order by id limit 1`,
      [topic],
    );
    return Number(textIn(row, 'age') ?? 0);
  }

  async stoppedCount(topic: string): Promise<number> {
    const [row] = await this.run(
      `select count(*)::text as count from ${this.names.of('outbox_stopped')} where topic = $1::text`,
      [topic],
    );
    return Number(textIn(row, 'count') ?? 0);
  }

  /** The longest stopped first. Undefined asks for all topics. */
  async stopped(topic: string | undefined, limit: number): Promise<StoppedAggregate[]> {
    const rows = await this.run(
      `select topic, aggregate, event_id as event, code, reason, (retry_requested_at is not null)::text as retried,
        (extract(epoch from stopped_at) * 1000)::bigint::text as since
      from ${this.names.of('outbox_stopped')} where $1::text is null or topic = $1::text
      order by stopped_at, aggregate limit $2::text::bigint`,
      [topic ?? null, String(limit)],
    );
    return rows.map(stoppedOf);
  }

  async #owners(topic: string): Promise<ShardOwner[]> {
    const rows = await this.run(
      `select r.shard::text as node, r.holder, r.epoch::text as epoch,
        exists (select from pg_stat_activity as a where a.pid = r.holder_pid)::text as alive
      from ${this.names.of('outbox_relay')} as r where r.topic = $1::text order by r.shard`,
      [topic],
    );
    return rows.map((row) => {
      const node = Number(textIn(row, 'node') ?? 1);
      const shards = 2 ** Math.floor(Math.log2(node));
      return {
        ...{ shard: node - shards, shards, holder: textIn(row, 'holder') ?? '' },
        epoch: Number(textIn(row, 'epoch') ?? 0),
        isAlive: textIn(row, 'alive') === 'true',
      };
    });
  }
}

function stoppedOf(row: Row): StoppedAggregate {
  return {
    topic: textIn(row, 'topic') ?? '',
    aggregateId: aggregateIdOf(textIn(row, 'aggregate') ?? ''),
    eventId: textIn(row, 'event') ?? '',
    code: textIn(row, 'code') ?? '',
    reason: textIn(row, 'reason') ?? '',
    since: Number(textIn(row, 'since') ?? 0),
    isRetried: textIn(row, 'retried') === 'true',
  };
}
