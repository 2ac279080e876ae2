import { tokenOf } from 'nestjs-aggregate-transport';
import type { Database, OwnTransaction } from '../../database/database.js';
import type { SchemaNames } from '../../schema/schema-names.js';
import { commandNotice } from '../records/stops.js';
import { textIn } from '../../transaction/statement.js';

export interface StoppedAddress {
  readonly topic: string;
  readonly aggregateId: string;
}

/** How an aggregate stands after a command. */
export type StoppedState =
  /** It is live: all of its rows are published, or it was never stopped. */
  | { readonly kind: 'live' }
  /** A relay has been asked, and has not finished. */
  | { readonly kind: 'asked' }
  /** Its event was refused again, or no command was given. */
  | { readonly kind: 'stopped'; readonly code: string; readonly reason: string; readonly since: number };

/**
 * The commands of an operator for a stopped aggregate. Each is written down, and the relay carries it out. It looks the
 * aggregate up from its first event, because a late copy may have stored the refused one.
 */
export class OutboxCommands {
  constructor(
    private readonly database: Database,
    private readonly names: SchemaNames,
  ) {}

  /** Lets the relay try again. False if the aggregate is not stopped. */
  retry(address: StoppedAddress): Promise<boolean> {
    return this.#command(address, () => Promise.resolve());
  }

  /** Deletes the refused event for good, and lets the relay continue after it. False if it is not stopped. */
  skip(address: StoppedAddress): Promise<boolean> {
    return this.#command(address, async ({ run }, token, id) => {
      await run(
        `delete from ${this.names.of('outbox')} where topic = $1::text and aggregate = $2::text
        and id = $3::text::bigint and published_at is null returning 1`,
        [address.topic, token, id],
      );
    });
  }

  /** Deletes all rows of the aggregate that are not published, for good. False if it is not stopped. */
  discard(address: StoppedAddress): Promise<boolean> {
    return this.#command(address, async ({ run }, token) => {
      await run(
        `delete from ${this.names.of('outbox')} where topic = $1::text and aggregate = $2::text
        and published_at is null returning 1`,
        [address.topic, token],
      );
    });
  }

  async state({ topic, aggregateId }: StoppedAddress): Promise<StoppedState> {
    const [row] = await this.database.run(
      `select code, reason, (retry_requested_at is not null)::text as asked,
        (extract(epoch from stopped_at) * 1000)::bigint::text as since
      from ${this.names.of('outbox_stopped')} where topic = $1::text and aggregate = $2::text`,
      [topic, tokenOf(aggregateId)],
    );
    if (row === undefined) return { kind: 'live' };
    if (textIn(row, 'asked') === 'true') return { kind: 'asked' };
    const since = Number(textIn(row, 'since') ?? 0);
    return { kind: 'stopped', code: textIn(row, 'code') ?? '', reason: textIn(row, 'reason') ?? '', since };
  }

  /** What is deleted and that the relay is asked become true together. */
  #command(
    { topic, aggregateId }: StoppedAddress,
    change: (transaction: OwnTransaction, token: string, id: string) => Promise<void>,
  ): Promise<boolean> {
    const token = tokenOf(aggregateId);
    return this.database.transaction(async (transaction) => {
      const [row] = await transaction.run(
        `update ${this.names.of('outbox_stopped')} set retry_requested_at = now()
        where topic = $1::text and aggregate = $2::text returning id::text as id`,
        [topic, token],
      );
      if (row === undefined) return false;
      await change(transaction, token, textIn(row, 'id') ?? '');
      await transaction.run('select pg_notify($1::text, $2::text)::text as told', [
        this.names.channel,
        commandNotice(topic),
      ]);
      return true;
    });
  }
}
