import { describeError } from '../errors.js';
import { badnessOf } from '../consumer/lanes/lane-report.js';
import type { AggregateStatus } from '../consumer/lanes/lane-report.js';
import type { PartitionCounts, PartitionLoad } from '../consumer/partition-status.js';
import type { GroupOnServer, LeaseOnServer, PartitionOnServer } from '../records/group-on-server.js';
import type { BatchingStatus } from '../publisher/batching.js';
import type { GroupLooks } from './group-looks.js';
import type { HealthProblem } from './health-problem.js';
import type {
  ChangedSetting,
  Observed,
  ObservedGroup,
  ObservedPartition,
  ObservedTopic,
} from './observed.js';

/** How the transport of this process stands. Names, numbers and reasons; no payload, no credentials. */
export interface TransportSnapshot {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** The microservice of the handlers is started, and not closed. False in a service that only publishes. */
  readonly isListening: boolean;
  /** What an operator should look at, as the health indicator names it. */
  readonly problems: readonly HealthProblem[];
  /** One for each topic of the options. */
  readonly topics: readonly TopicStatus[];
}

/** How one topic of this process stands. */
export interface TopicStatus {
  /** Its name. */
  readonly topic: string;
  /** `reconnecting` comes back by itself; `closed` does not, until a restart. */
  readonly connection: 'connected' | 'reconnecting' | 'closed';
  /** The publisher of this process. */
  readonly publisher: PublisherStatus;
  /** Groups whose handlers run in this process. */
  readonly groups: readonly GroupStatus[];
  /** Settings of the topic's streams that break a promise since an operator edited them. */
  readonly changedSettings: readonly ChangedSetting[];
}

/** How the publisher of a topic stands. Counts are since the start. */
export interface PublisherStatus {
  /** Events without an outcome. */
  readonly pending: number;
  /** Events stored, duplicates included. */
  readonly published: number;
  /** Calls that ended with an error, those that were never sent included. */
  readonly failed: number;
  /** Aggregates that accept nothing because an outcome is unknown. */
  readonly unknown: number;
  /** Whether long queues are stored in batches; if not, why. */
  readonly batching: BatchingStatus;
}

/** How a group stands, as far as this process takes part in it. */
export interface GroupStatus {
  /** Its name. */
  readonly group: string;
  /** Open while nearly all attempts fail: nothing is parked then. `probing` is the one aggregate that is tried. */
  readonly breaker: { readonly isOpen: boolean; readonly probing: string | undefined };
  /** All partitions of the group; counts are known of those that this process owns. */
  readonly partitions: readonly PartitionStatus[];
  /** Aggregates whose heads do not move, or not fast, over the partitions this process owns. */
  readonly slowest: readonly (AggregateStatus & { readonly partition: number })[];
  /** Why the part that the server tells is missing. */
  readonly lookFailed: string | undefined;
}

/** How one partition stands. */
export interface PartitionStatus extends Omit<PartitionLoad, 'breaker' | 'attempts'> {
  /** Its number, from 0. */
  readonly partition: number;
  /** The holder of the lease, as far as is known; undefined if it is free. */
  readonly owner: { readonly id: string; readonly isThisProcess: boolean } | undefined;
  /** The fencing token of its handlers. */
  readonly epoch: number;
  /** Events stored and not settled by the group; undefined if the server did not tell. Letters do not count. */
  readonly lag: number | undefined;
  /** Those of them up to the highest settled event. */
  readonly unsettled: number | undefined;
  /** Since the oldest of them was stored, by the server's clock; 0 without one. */
  readonly oldestUnsettledMs: number | undefined;
  /** Every event of the partition up to here is settled; undefined if the server did not tell. See `positionOf`. */
  readonly settledThrough: { readonly run: number; readonly sequence: number } | undefined;
  /** What this process has counted since its start. */
  readonly counts: PartitionCounts;
}

/** Aggregates told of, unless the caller asks for another number. */
export const SLOWEST = 10;

/** @throws nothing: what the server does not tell in time is missing, with the reason */
export async function snapshotOf(
  observed: Observed,
  looks: GroupLooks,
  top: number,
): Promise<TransportSnapshot> {
  const topics = await Promise.all(
    observed.topics().map(async (topic): Promise<TopicStatus> => ({
      topic: topic.name,
      connection: connectionOf(topic),
      publisher: publisherOf(topic),
      groups: await Promise.all(topic.groups.map((group) => groupOf(topic, group, { observed, looks, top }))),
      changedSettings: topic.settings.current(),
    })),
  );
  const { clock, isListening } = observed;
  return { at: clock.wallNow(), isListening, problems: observed.problems(), topics };
}

function connectionOf({ connected, closed }: ObservedTopic): TopicStatus['connection'] {
  if (closed) return 'closed';
  return connected ? 'connected' : 'reconnecting';
}

function publisherOf({ publisher }: ObservedTopic): PublisherStatus {
  const { pending, published, failed, batching } = publisher;
  return { pending, published, failed, unknown: publisher.unknownAggregates().length, batching };
}

interface Surroundings {
  readonly observed: Observed;
  readonly looks: GroupLooks;
  readonly top: number;
}

async function groupOf(
  topic: ObservedTopic,
  group: ObservedGroup,
  { observed, looks, top }: Surroundings,
): Promise<GroupStatus> {
  let found: GroupOnServer | undefined;
  let lookFailed: string | undefined;
  try {
    if (!topic.connected) throw new Error('the connection is away');
    found = await looks.all(topic, group);
  } catch (error) {
    lookFailed = describeError(error);
  }
  const { isOpen = false, prober } = group.partitions[0]?.consumer.load.breaker ?? {};
  const slowest = group.partitions.flatMap(({ partition, consumer }) =>
    consumer.report(top).slowest.map((aggregate) => ({ partition, ...aggregate })),
  );
  slowest.sort((a, b) => badness(b) - badness(a));
  return {
    group: group.group,
    breaker: { isOpen, probing: prober },
    partitions: group.partitions.map((partition) => partitionOf(partition, found, observed.clock.wallNow())),
    slowest: slowest.slice(0, top),
    lookFailed,
  };
}

function badness({ isStuck, lastFailure, ageMs }: AggregateStatus): number {
  return badnessOf({ ageMs, isStuck, isBlocked: lastFailure?.outcome === 'block' });
}

function partitionOf(
  here: ObservedPartition,
  group: GroupOnServer | undefined,
  now: number,
): PartitionStatus {
  const load = here.consumer.load;
  const { inFlight, lanes, events, bytes, parked, letterRefusal, typeWait } = load;
  const { mode, haltReason, haltCause } = load;
  const { notCommittingMs, notCommittingWhy, notReadingMs, notReadingWhy, readerEdited } = load;
  const there = group?.partitions.find(({ partition }) => partition === here.partition);
  return {
    partition: here.partition,
    ...ownerOf(here, there?.lease),
    ...lagOf(there, now),
    ...{ mode, haltReason, haltCause },
    ...{ notCommittingMs, notCommittingWhy, notReadingMs, notReadingWhy, readerEdited },
    ...{ inFlight, lanes, events, bytes, parked, letterRefusal, typeWait },
    counts: here.counts,
  };
}

function ownerOf(
  { owner, lease }: ObservedPartition,
  there: LeaseOnServer | undefined,
): Pick<PartitionStatus, 'owner' | 'epoch'> {
  if (lease.mode === 'held') return { owner: { id: owner, isThisProcess: true }, epoch: lease.epoch };
  if (there === undefined) return { owner: undefined, epoch: lease.epoch };
  const holder = { id: there.owner, isThisProcess: there.owner === owner };
  return { owner: there.released ? undefined : holder, epoch: there.epoch };
}

function lagOf(
  there: PartitionOnServer | undefined,
  now: number,
): Pick<PartitionStatus, 'lag' | 'unsettled' | 'oldestUnsettledMs' | 'settledThrough'> {
  if (there?.position === undefined)
    return { lag: undefined, unsettled: undefined, oldestUnsettledMs: undefined, settledThrough: undefined };
  const { pending, unsettled, run, high } = there.position;
  const sequence = there.oldestSequence === undefined ? high : there.oldestSequence - 1;
  const oldestUnsettledMs = Math.max(0, now - (there.oldestStoredAt ?? now));
  return { lag: pending + unsettled, unsettled, oldestUnsettledMs, settledThrough: { run, sequence } };
}
