import type { KV } from 'nats';
import { AggregateTransportError } from '../../errors.js';
import { type GroupLayout, readLayout } from '../../records/group-record.js';
import type { Connection } from '../api/connection.js';
import { explain } from '../api/jetstream-api.js';

/** The bucket that keeps what groups must agree on. */
export const BUCKET = 'aggregate-transport';

/** The key of the record that all replicas of a group follow. */
export function groupKey(topic: string, group: string): string {
  return `group.${topic}.${group}`;
}

/** Opens the bucket, and makes it if it is missing and `create` is set. */
export async function openGroupBucket(
  connection: Connection,
  replicas: number,
  create: boolean,
): Promise<KV> {
  try {
    return await connection.nats
      .jetstream()
      .views.kv(BUCKET, create ? { storage: 'file' as never, replicas, history: 1 } : { bindOnly: true });
  } catch (cause) {
    throw new AggregateTransportError(
      'JETSTREAM_REQUEST_FAILED',
      `expected to open the key-value bucket "${BUCKET}", found ${explain(cause)}; ` +
        'the user needs the permission to use it (stream KV_aggregate-transport)',
      { cause },
    );
  }
}

/**
 * The group's record: made at its first start from `partitions`, followed ever after. Replicas that
 * start at once agree, because only one creation can succeed.
 */
export async function groupRecordOf(
  bucket: KV,
  topic: string,
  group: string,
  partitions: number,
): Promise<GroupLayout> {
  const key = groupKey(topic, group);
  try {
    const existing = await bucket.get(key);
    if (existing?.operation === 'PUT') return readRecord(existing.string(), key);
    let refusal: unknown;
    const made = await bucket.create(key, JSON.stringify({ partitions })).catch((cause: unknown) => {
      refusal = cause;
      return undefined;
    });
    if (made !== undefined) return readLayout({ partitions }, key);
    const winner = await bucket.get(key);
    if (winner?.operation === 'PUT') return readRecord(winner.string(), key);
    throw recordError(key, refusal);
  } catch (cause) {
    if (cause instanceof AggregateTransportError) throw cause;
    throw recordError(key, cause);
  }
}

function recordError(key: string, cause: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'JETSTREAM_REQUEST_FAILED',
    `expected to write or read the record "${key}" of bucket "${BUCKET}", found neither possible: ${explain(cause)}; ` +
      'check that the bucket has a leader and that the user may read and write it',
    { cause },
  );
}

function readRecord(json: string, key: string): GroupLayout {
  return readLayout(JSON.parse(json) as Partial<GroupLayout>, `record "${key}" of bucket "${BUCKET}"`);
}
