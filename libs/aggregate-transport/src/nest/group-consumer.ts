import type { Clock } from '../clock.js';
import { Breaker } from '../consumer/breaker.js';
import type { EventHandlers } from '../consumer/event-handlers.js';
import type { LeaseView } from '../consumer/ownership.js';
import { Partition } from '../consumer/partition.js';
import { ReplicaGroup } from '../consumer/replica-group.js';
import type { Log } from '../log.js';
import { newEventId } from '../message/event-id.js';
import type { Measures } from '../observe/measures.js';
import { type AggregateHooks, observerOf } from './aggregate-hooks.js';
import type { TopicLink } from './topic-links.js';
import type { PartitionWire } from './topic-wire.js';

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

/**
 * Finds or makes a group's partitions on a topic, and a consumer for each; this process is one of its replicas.
 * @throws CONSUMER_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function openGroup(options: GroupConsumerOptions): Promise<ReplicaGroup> {
  const { link, group, clock, log } = options;
  const wires = await link.wire.openGroup(group);
  const breaker = new Breaker(link.topic.consume.breaker, wires.length);
  const member = newEventId(clock.wallNow());
  return new ReplicaGroup({
    name: `topic "${link.topic.name}", group "${group}"`,
    member,
    leaseTtlMs: link.topic.consume.leaseTtlMs,
    presencePort: link.wire.presencePort(group),
    partitions: wires.map((wire) => partitionOf(options, wire, { owner: member, breaker })),
    clock,
    log,
  });
}

function partitionOf(
  options: GroupConsumerOptions,
  wire: PartitionWire,
  shared: { readonly owner: string; readonly breaker: Breaker },
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
