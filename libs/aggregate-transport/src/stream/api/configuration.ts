import { partitionFilter } from '../../message/partitioning.js';
import { streamSubjectOf } from '../../message/subject.js';

/** Nanoseconds exist in this file only; everything else counts in milliseconds. */
const NANOS_PER_MS = 1_000_000;

export function nanosOf(ms: number): number {
  return Math.round(ms * NANOS_PER_MS);
}

export function msOf(nanos: number): number {
  return nanos / NANOS_PER_MS;
}

/** The mark of our subject and header layout, written into a stream's metadata when it is made, and never later. */
export const LAYOUT_KEY = 'aggregate-transport.layout';
export const LAYOUT_VERSION = '1';

export interface StreamOptions {
  readonly storage: 'file' | 'memory';
  readonly maxBytes: number;
  readonly maxMessages: number;
  /** 0 keeps events however old they are. */
  readonly maxAgeMs: number;
  readonly replicas: number;
  readonly duplicateWindowMs: number;
  readonly discard: 'old' | 'new';
}

/** A stream's configuration as the API writes it, as far as we set or check it. */
export interface StreamConfig {
  name: string;
  subjects: string[];
  retention: string;
  storage: string;
  max_bytes: number;
  max_msgs: number;
  max_age: number;
  num_replicas: number;
  duplicate_window: number;
  discard: string;
  allow_direct: boolean;
  /** Several messages stored as one, or none of them; servers before 2.12 do not know it. */
  allow_atomic?: boolean;
  metadata?: Record<string, string>;
}

export function streamConfigOf(topic: string, options: StreamOptions): StreamConfig {
  return {
    name: topic,
    subjects: [streamSubjectOf(topic)],
    retention: 'limits',
    storage: options.storage,
    max_bytes: options.maxBytes,
    max_msgs: options.maxMessages,
    max_age: nanosOf(options.maxAgeMs),
    num_replicas: options.replicas,
    duplicate_window: nanosOf(options.duplicateWindowMs),
    discard: options.discard,
    allow_direct: true,
    metadata: { [LAYOUT_KEY]: LAYOUT_VERSION },
  };
}

/** Where a group begins when it starts for the first time. */
export type StartAt = 'all' | 'new' | { readonly sequence: number } | { readonly time: Date };

export interface ConsumerOptions {
  readonly ackWaitMs: number;
  readonly maxAckPending: number;
  readonly maxWaiting: number;
}

/** A consumer's configuration as the API writes it, as far as we set or check it. */
export interface ConsumerConfig {
  durable_name: string;
  name: string;
  filter_subject: string;
  ack_policy: string;
  ack_wait: number;
  max_deliver: number;
  max_ack_pending: number;
  max_waiting: number;
  replay_policy: string;
  deliver_policy: string;
  opt_start_seq?: number;
  opt_start_time?: string;
  backoff?: number[];
}

export interface PartitionAddress {
  readonly topic: string;
  readonly group: string;
  readonly partition: number;
  readonly partitions: number;
}

/**
 * `<group>-<N>-<partition>`: the number of partitions is part of the name, so two layouts never share a consumer.
 * One made in place of another that vanished has `-g<generation>` behind that, so that what was sent to the old one
 * never reaches the new one.
 */
export function consumerNameOf(
  { group, partitions, partition }: PartitionAddress,
  generation: number,
): string {
  const first = `${group}-${partitions}-${partition}`;
  return generation === 0 ? first : `${first}-g${generation}`;
}

export function consumerConfigOf(
  address: PartitionAddress,
  options: ConsumerOptions,
  startAt: StartAt,
  generation = 0,
): ConsumerConfig {
  const name = consumerNameOf(address, generation);
  return {
    durable_name: name,
    name,
    filter_subject: partitionFilter(address.topic, address.partition, address.partitions),
    ack_policy: 'explicit',
    ack_wait: nanosOf(options.ackWaitMs),
    // The server must never give an event up, nor choose when it comes again: both break the order.
    max_deliver: -1,
    max_ack_pending: options.maxAckPending,
    max_waiting: options.maxWaiting,
    replay_policy: 'instant',
    ...deliverPolicyOf(startAt),
  };
}

function deliverPolicyOf(
  startAt: StartAt,
): Pick<ConsumerConfig, 'deliver_policy' | 'opt_start_seq' | 'opt_start_time'> {
  if (startAt === 'all' || startAt === 'new') return { deliver_policy: startAt };
  if ('sequence' in startAt) return { deliver_policy: 'by_start_sequence', opt_start_seq: startAt.sequence };
  return { deliver_policy: 'by_start_time', opt_start_time: startAt.time.toISOString() };
}

/** The body of a pull request. */
export function pullRequest(events: number, expiresMs: number, idleHeartbeatMs: number): string {
  return `{"batch":${events},"expires":${nanosOf(expiresMs)},"idle_heartbeat":${nanosOf(idleHeartbeatMs)}}`;
}
