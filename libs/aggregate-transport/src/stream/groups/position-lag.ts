import type { StreamState } from '../../message/reader-port.js';
import { partitionFilter } from '../../message/partitioning.js';
import type { PartitionAddress } from '../../records/partition-address.js';
import type { KeyAccess } from '../keys/partition-key.js';
import { findMessage } from '../api/stored-message.js';
import { uniqueName } from '../port/unique-name.js';
import { createReader } from '../wires/create-reader.js';

export interface LagQuestion {
  readonly high: number;
  readonly stream: StreamState;
  /** How long the next request may take, in milliseconds; throws when the time is over. */
  readonly timeout: () => number;
}

/**
 * How many events of a partition lie after `high`. The server counts them when a reader is made, so one is made, and
 * removed again without a pull.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function pendingAfter(
  access: KeyAccess,
  { topic, group, layout, partitions, partition }: PartitionAddress,
  { high, stream, timeout }: LagQuestion,
): Promise<number> {
  if (high >= stream.lastSequence) return 0;
  const name = `${group}-${layout}-${partitions}-${partition}-count-${uniqueName()}`;
  const filter = partitionFilter(topic, partition, partitions);
  try {
    const plan = { stream: topic, name, filter, fromSequence: high + 1, timeoutMs: timeout() };
    return (await createReader(access, plan)).num_pending;
  } finally {
    access.api.send(`CONSUMER.DELETE.${topic}.${name}`);
  }
}

export interface OldestEvent {
  readonly sequence: number;
  /** In milliseconds since 1970. */
  readonly storedAt: number;
}

/**
 * The partition's first event from a sequence on; undefined if there is none.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function oldestFrom(
  { api }: KeyAccess,
  { topic, partitions, partition }: PartitionAddress,
  from: number,
  timeoutMs: number,
): Promise<OldestEvent | undefined> {
  const question = { seq: from, next_by_subj: partitionFilter(topic, partition, partitions) };
  const found = await findMessage(api, topic, question, timeoutMs);
  return found && { sequence: found.seq, storedAt: Date.parse(found.time) };
}
