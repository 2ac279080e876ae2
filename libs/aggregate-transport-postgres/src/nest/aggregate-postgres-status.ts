import { Inject, Injectable } from '@nestjs/common';
import type { OutboxStatus } from '../relay/operating/outbox-looks.js';
import type { RelayTrouble } from '../relay/sending/waits.js';
import { OutboxRelays } from './outbox-relays.js';

/** A relay of this process. */
export interface OwnRelay {
  /** The topic that it publishes to. */
  readonly topic: string;
  /** Its shard, from 0. */
  readonly shard: number;
  /** How many there are. */
  readonly shards: number;
  /** `waiting`: another process relays this shard. */
  readonly mode: 'waiting' | 'takingOver' | 'relaying' | 'draining' | 'stopped';
  /** In memory: rows and bytes of their events. */
  readonly rows: number;
  /** Bytes of the bodies of those events. */
  readonly bytes: number;
  /** Since the start of this process. */
  readonly published: number;
  /** Sends that were repeated. */
  readonly retried: number;
  /** Aggregates that it has stopped, because an event was refused for good. */
  readonly stopped: number;
  /** Events of some aggregates are not stored now, and why; undefined if all are. Each is sent again. */
  readonly trouble: RelayTrouble | undefined;
}

/** How the outboxes of a service stand. */
export interface PostgresSnapshot {
  /** One per topic of the outbox, from the database. */
  readonly outboxes: readonly OutboxStatus[];
  /** From this process's memory. */
  readonly relays: readonly OwnRelay[];
}

/** How the outbox stands, for a status page or an operator's question. */
@Injectable()
export class AggregatePostgresStatus {
  constructor(@Inject(OutboxRelays) private readonly outbox: OutboxRelays) {}

  /**
   * Five small statements per topic. Rows are counted up to 100 000.
   * @throws STATEMENT_FAILED, SCHEMA_MISSING, RIGHTS_MISSING if the database does not answer them
   */
  async snapshot(): Promise<PostgresSnapshot> {
    const { topics, looks, relays } = this.outbox;
    const outboxes = await Promise.all(topics.map((topic) => looks.status(topic)));
    return {
      outboxes,
      relays: relays.map(({ topic, shard, mode, load, counts, trouble }) => ({
        ...{ topic, shard: shard.index, shards: shard.count, mode },
        ...load,
        ...counts,
        trouble,
      })),
    };
  }
}
