import type { Clock } from '../clock.js';
import { Breaker } from '../consumer/handling/breaker.js';
import type { EventHandlers } from '../consumer/handling/event-handlers.js';
import type { LeaseView } from '../consumer/ownership/ownership.js';
import { Partition, type PartitionOptions } from '../consumer/partition.js';
import type { Log } from '../log.js';
import type { Measures } from '../observe/measures.js';
import { type AggregateHooks, observerOf } from './hooks.js';
import type { TopicLink } from './open-topics.js';
import type { GroupWire, PartitionWire } from './wires.js';

export interface GroupConsumerOptions {
  readonly link: TopicLink;
  readonly group: string;
  /** The handlers, made when the number of partitions is known: each partition has its own scope. */
  readonly handlersOf: (partition: number, ownership: LeaseView) => EventHandlers;
  readonly hooks: AggregateHooks;
  /** How long a partition that is handed over may take, in milliseconds. */
  readonly drainMs: number;
  /** Undefined where nobody measures. */
  readonly measures: Measures | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

/** A group's partitions as one layout divides it. */
export interface OpenedLayout {
  readonly wire: GroupWire;
  readonly partitions: readonly Partition[];
}

/** What all partitions of a group have in common in this process, whatever the layout. */
type OfProcess = Pick<PartitionOptions, 'owner' | 'isCancelled'>;

/**
 * Finds or makes a group's partitions on a topic, and a consumer for each.
 * @throws CONSUMER_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function openGroup(options: GroupConsumerOptions, ofProcess: OfProcess): Promise<OpenedLayout> {
  const { link, group } = options;
  const wire = await link.wire.openGroup(group);
  const breaker = new Breaker(link.topic.consume.breaker, wire.partitions.length);
  const shared = { ...ofProcess, breaker, layout: wire.layout.layout };
  return { wire, partitions: wire.partitions.map((partition) => partitionOf(options, partition, shared)) };
}

function partitionOf(
  options: GroupConsumerOptions,
  wire: PartitionWire,
  shared: OfProcess & Pick<PartitionOptions, 'breaker' | 'layout'>,
): Partition {
  const { clock, hooks, drainMs, log } = options;
  const { topic, group, partition, partitions } = wire.address;
  const where = { topic, group, partition };
  const { consume, codec } = options.link.topic;
  const opened: Partition = new Partition({
    ...shared,
    partition,
    topic,
    name: `topic "${topic}", group "${group}", partition ${partition}`,
    connect: (listener) => wire.connect(listener),
    leasePort: wire.leasePort,
    suspectPort: wire.suspectPort,
    parkedPort: wire.parkedPort,
    formerLeases: wire.formerLeases,
    observer: { ...observerOf(hooks, where, log), ...options.measures?.of(where) },
    leaseTtlMs: consume.leaseTtlMs,
    drainMs,
    handlers: options.handlersOf(partition, {
      get epoch() {
        return opened.lease.epoch;
      },
      isValid: () => opened.lease.isValid(),
    }),
    codec,
    onUnhandledType: consume.onUnhandledType,
    failurePolicy: consume,
    concurrency: Math.max(1, Math.ceil(consume.concurrency / partitions)),
    batch: consume.batch,
    maxAckPending: consume.maxAckPending,
    maxBufferedBytes: consume.maxBufferedBytes,
    pullExpiresMs: consume.pullExpiresMs,
    clock,
    random: Math.random,
    log,
  });
  return opened;
}
