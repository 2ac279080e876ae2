import type { ConsumerInfo, ReaderConfig } from '../api/api-types.js';
import type { KeyAccess } from '../keys/partition-key.js';
import { READER_INACTIVE_MS } from '../api/configuration.js';
import { nanosOf } from '../api/time.js';

export interface ReaderPlan {
  readonly stream: string;
  readonly name: string;
  readonly filter: string;
  readonly fromSequence: number;
  /** Pull requests that may wait at the server; undefined: as many as the server likes. */
  readonly maxWaiting?: number;
  readonly timeoutMs: number;
}

/**
 * Makes a short-lived consumer without acks, in the memory of one server.
 * @throws JETSTREAM_REQUEST_FAILED if the server refuses or does not answer; the reader may exist nevertheless
 */
export function createReader(
  { connection, api }: KeyAccess,
  { stream, name, filter, fromSequence, maxWaiting, timeoutMs }: ReaderPlan,
): Promise<ConsumerInfo> {
  const config: ReaderConfig = {
    name,
    description: `reader of ${connection.description}`,
    filter_subject: filter,
    ack_policy: 'none',
    deliver_policy: 'by_start_sequence',
    opt_start_seq: Math.max(1, fromSequence),
    replay_policy: 'instant',
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: nanosOf(READER_INACTIVE_MS),
    ...(maxWaiting === undefined ? {} : { max_waiting: maxWaiting }),
  };
  const call = `CONSUMER.CREATE.${stream}.${name}.${filter}`;
  return api.request<ConsumerInfo>(call, { stream_name: stream, config, action: 'create' }, timeoutMs);
}
