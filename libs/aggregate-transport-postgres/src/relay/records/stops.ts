import type { SchemaNames } from '../../schema/schema-names.js';
import { type Statement, textIn } from '../../transaction/statement.js';

/** An event that was refused for good, as it is written down. */
export interface Stop {
  readonly aggregate: string;
  readonly id: number;
  readonly eventId: string;
  readonly code: string;
  /** Never holds a payload. */
  readonly reason: string;
}

/** What is notified on the relays' channel when a command was written down. No topic has a space. */
export function commandNotice(topic: string): string {
  return `${topic} command`;
}

/** The most aggregates that begin again at once. */
const MAX_RETRIES = 100;
const MAX_REASON_CHARACTERS = 1_000;

/**
 * The aggregates of one topic whose event was refused. While such a row stands, no page of the relay brings rows of
 * its aggregate. It falls when the aggregate has caught up.
 */
export class Stops {
  readonly #table: string;

  constructor(
    private readonly run: Statement,
    private readonly topic: string,
    names: SchemaNames,
  ) {
    this.#table = names.of('outbox_stopped');
  }

  async write({ aggregate, id, eventId, code, reason }: Stop): Promise<void> {
    await this.run(
      `insert into ${this.#table} (topic, aggregate, id, event_id, code, reason)
      values ($1::text, $2::text, $3::text::bigint, $4::text, $5::text, $6::text)
      on conflict (topic, aggregate) do update set id = excluded.id, event_id = excluded.event_id,
        code = excluded.code, reason = excluded.reason, stopped_at = now(), retry_requested_at = null`,
      [this.topic, aggregate, String(id), eventId, code, reason.slice(0, MAX_REASON_CHARACTERS)],
    );
  }

  /** The aggregates that an operator asked to try again. */
  async retries(): Promise<string[]> {
    const rows = await this.run(
      `select aggregate from ${this.#table} where topic = $1::text and retry_requested_at is not null
      order by retry_requested_at limit ${MAX_RETRIES}`,
      [this.topic],
    );
    return rows.flatMap((row) => textIn(row, 'aggregate') ?? []);
  }

  /** The aggregate has caught up. */
  async remove(aggregate: string): Promise<void> {
    await this.run(`delete from ${this.#table} where topic = $1::text and aggregate = $2::text returning 1`, [
      this.topic,
      aggregate,
    ]);
  }
}
