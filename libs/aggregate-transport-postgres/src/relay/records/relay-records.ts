import type { StreamProgress } from 'nestjs-aggregate-transport';
import { AggregatePostgresError } from '../../errors.js';
import type { SchemaNames } from '../../schema/schema-names.js';
import { type Statement, textIn } from '../../transaction/statement.js';
import { checkpointOf, nodeOf, type Shard } from './shard.js';

export interface RelayRecordsParts {
  /** Of the session that holds the lock. */
  readonly run: Statement;
  readonly names: SchemaNames;
  readonly topic: string;
  readonly shard: Shard;
  /** Host and process, for people. */
  readonly holder: string;
  /** Whether published rows stay, with the time when they were marked. */
  readonly keepsPublished: boolean;
}

/** What a relay begins with. */
export interface TakeOver {
  readonly epoch: number;
  /** At or below this stream sequence no row is stored that is not marked. */
  readonly checkpoint: number;
  /** Rows above this id were never sent. */
  readonly sentBelow: number;
}

/**
 * What relays write down for their successors. Every write names the epoch: a relay that another one has followed
 * changes nothing here.
 */
export class RelayRecords {
  #epoch = 0;

  constructor(private readonly parts: RelayRecordsParts) {}

  /** Becomes the relay of the shard. Call it once, with the lock held. */
  async takeOver(progress: StreamProgress): Promise<TakeOver> {
    const { run, names, topic, shard, holder } = this.parts;
    const table = names.of('outbox_relay');
    const known = await run(
      `select shard::text as node, stream_created as created, checkpoint_sequence::text as checkpoint,
        sent_below::text as below from ${table} where topic = $1::text`,
      [topic],
    );
    const checkpoint = checkpointOf(nodeOf(shard), checkpointsIn(known, progress));
    const sentBelow = known.length > 0 ? highestIn(known) : await this.#highestId();
    const [row] = await run(
      `insert into ${table} as r (topic, shard, epoch, stream_created, checkpoint_sequence, sent_below, holder, holder_pid)
      values ($1::text, $2::text::smallint, 1, $3::text, $4::text::bigint, $5::text::bigint, $6::text, pg_backend_pid())
      on conflict (topic, shard) do update set epoch = r.epoch + 1, stream_created = excluded.stream_created,
        checkpoint_sequence = excluded.checkpoint_sequence, sent_below = excluded.sent_below,
        holder = excluded.holder, holder_pid = excluded.holder_pid, updated_at = now()
      returning epoch::text`,
      [topic, String(nodeOf(shard)), progress.created, String(checkpoint), String(sentBelow), holder],
    );
    this.#epoch = Number(textIn(row, 'epoch') ?? 0);
    return { epoch: this.#epoch, checkpoint, sentBelow };
  }

  /** Rows up to this id may be sent from here on. */
  async allowSending(upToId: number): Promise<void> {
    await this.#update('sent_below = greatest(sent_below, $4::text::bigint)', [String(upToId)]);
  }

  /** Another stream, or one that went back: nothing is known of it. */
  async forgetCheckpoint(created: string): Promise<void> {
    await this.#update('checkpoint_sequence = 0, stream_created = $4::text', [created]);
  }

  /**
   * In one step: marks rows as published, or deletes them, and moves the checkpoint.
   *
   * The commit does not wait for the disk. A server that crashes may lose the last marks, up to some 0.6 s of them.
   * That stores no row twice:
   *
   * 1. A row's mark and the checkpoint are lost together, so the row stands above the checkpoint in the stream.
   * 2. `sent_below` was written to disk before the row was sent. So the next relay looks the row up by its event id.
   *
   * All other records wait for the disk, and with them every mark before them.
   */
  async mark(ids: readonly number[], checkpoint: number | undefined): Promise<void> {
    const { run, names, topic, shard, keepsPublished } = this.parts;
    const outbox = names.of('outbox');
    const marked = keepsPublished
      ? `update ${outbox} as o set published_at = now() from given where o.id = given.id and o.published_at is null`
      : `delete from ${outbox} as o using given where o.id = given.id`;
    const [row] = await run(
      `with given as (select unnest($5::text::bigint[]) as id),
      marked as (${marked} returning 1),
      moved as (
        update ${names.of('outbox_relay')} set updated_at = now(),
          checkpoint_sequence = greatest(checkpoint_sequence, coalesce($4::text::bigint, 0))
        where topic = $1::text and shard = $2::text::smallint and epoch = $3::text::bigint returning 1
      )
      select (select count(*) from marked)::text as marked, (select count(*) from moved)::text as held,
        set_config('synchronous_commit', 'off', true) as waits`,
      [
        ...[topic, String(nodeOf(shard)), String(this.#epoch)],
        ...[checkpoint === undefined ? null : String(checkpoint), `{${ids.join(',')}}`],
      ],
    );
    if (textIn(row, 'held') !== '1') throw superseded(topic);
  }

  async #highestId(): Promise<number> {
    const { run, names, topic } = this.parts;
    const [row] = await run(
      `select max(id)::text as highest from ${names.of('outbox')} where topic = $1::text and published_at is null`,
      [topic],
    );
    return Number(textIn(row, 'highest') ?? 0);
  }

  async #update(change: string, values: readonly string[]): Promise<void> {
    const { run, names, topic, shard } = this.parts;
    const rows = await run(
      `update ${names.of('outbox_relay')} set updated_at = now(), ${change}
      where topic = $1::text and shard = $2::text::smallint and epoch = $3::text::bigint returning 1`,
      [topic, String(nodeOf(shard)), String(this.#epoch), ...values],
    );
    if (rows.length === 0) throw superseded(topic);
  }
}

/** Of the stream as it is now; a checkpoint of another one counts for nothing. */
function checkpointsIn(rows: readonly object[], progress: StreamProgress): Map<number, number> {
  const found = new Map<number, number>();
  for (const row of rows as Parameters<typeof textIn>[0][]) {
    const sequence = Number(textIn(row, 'checkpoint') ?? 0);
    const isValid = textIn(row, 'created') === progress.created && sequence <= progress.lastSequence;
    if (isValid) found.set(Number(textIn(row, 'node')), sequence);
  }
  return found;
}

function highestIn(rows: readonly object[]): number {
  return Math.max(
    ...(rows as Parameters<typeof textIn>[0][]).map((row) => Number(textIn(row, 'below') ?? 0)),
  );
}

function superseded(topic: string): AggregatePostgresError {
  return new AggregatePostgresError(
    'OUTBOX_SUPERSEDED',
    `expected to be the relay of topic "${topic}", found that another one has taken over; this one begins again`,
  );
}
