import type { Clock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { inParallel, REQUESTS_AT_ONCE } from '../../in-parallel.js';
import { partitionOf } from '../../message/partitioning.js';
import type { PartitionOnServer } from '../../records/group-on-server.js';
import type { GroupRecord, LayoutChange } from '../../records/group-record.js';
import type { RunningHandler } from '../../records/lease-record.js';
import { type GroupPorts, recordOf, type TopicGroups } from './group-ports.js';
import { ownershipOf, type PartitionOwnership } from './ownership.js';

/** What happens to a group, or what is left of it. `lost`: it has leases and no record. */
export type GroupCondition = 'living' | 'changing' | 'deleted' | 'lost';

/** A change of a group's layout that is under way. */
export interface GroupChange {
  /** Counts the changes ever begun. */
  readonly number: number;
  readonly kind: 'repartition' | 'reset' | 'deletion';
  /** How many partitions the group will have; 0 for a deletion. */
  readonly to: number;
  /** Names a reset. */
  readonly id: string | undefined;
  /** The first sequence that is handled after a reset. */
  readonly from: number | undefined;
}

/** A group as the server knows it. */
export interface GroupSummary {
  readonly topic: string;
  readonly group: string;
  readonly condition: GroupCondition;
  readonly partitions: number;
  /** Partitions whose owner has renewed its lease in time. */
  readonly owned: number;
  /** Processes that own one of them. */
  readonly owners: number;
  /** How often the group began again. */
  readonly run: number;
  /** Events stored and not settled; undefined if the server cannot tell. */
  readonly lag: number | undefined;
  /** Of the oldest of them, in milliseconds. */
  readonly oldestUnsettledMs: number | undefined;
  /** Parked aggregates, and events that wait in the parked stream. */
  readonly parked: number;
  readonly letters: number;
  readonly change: GroupChange | undefined;
}

/** Where one partition of a group stands. Fields that the server did not tell are undefined. */
export interface GroupPartition extends PartitionOwnership {
  readonly partition: number;
  /** The highest settled sequence. */
  readonly position: number | undefined;
  readonly run: number | undefined;
  readonly lag: number | undefined;
  /** Events below the position that are not settled. */
  readonly unsettled: number | undefined;
  readonly oldestUnsettledMs: number | undefined;
  /** Events up to here were reached before the last reset; undefined once the position is there. */
  readonly replayUntil: number | undefined;
  /** It is at rest for the change under way. */
  readonly drained: boolean;
  /** Handlers that keep it from being drained, the first few. */
  readonly running: readonly RunningHandler[];
  readonly parked: number;
  readonly letters: number;
}

/** A group with all its partitions. */
export interface GroupDetails extends GroupSummary {
  /** The change that made the layout in force. */
  readonly layout: number;
  /** The id of the last reset that was completed. */
  readonly lastReset: string | undefined;
  readonly deletedAt: Date | undefined;
  readonly byPartition: readonly GroupPartition[];
}

const WITHIN_MS = 10_000;
/** Who asks from outside owns no partition. */
const NONE: ReadonlySet<number> = new Set();

/** A group, and where its events stand in the stream. */
export interface GroupLook {
  readonly details: GroupDetails;
  /** The last sequence that the stream had before the partitions were read; undefined where nothing tells it. */
  readonly stored: number | undefined;
  /** The oldest event that is not settled; undefined if all are. */
  readonly oldest: number | undefined;
}

/**
 * How a group stands.
 * @throws GROUP_UNKNOWN, JETSTREAM_REQUEST_FAILED, RECORD_INVALID
 */
export async function readGroup(topic: TopicGroups, group: string, clock: Clock): Promise<GroupDetails> {
  return (await lookAtGroup(topic, group, clock)).details;
}

/** As {@link readGroup}. */
export async function lookAtGroup(topic: TopicGroups, group: string, clock: Clock): Promise<GroupLook> {
  const ports = topic.portsOf(group);
  const { value: record } = await recordOf(ports);
  const { layout, partitions, ...rest } = record ?? (await lostLayout(topic, ports, group));
  const question = { group, layout, partitions, owned: NONE, ownedOnly: false, withinMs: WITHIN_MS };
  const [look, parked, rests] = await Promise.all([
    topic.lookAt(question),
    parkedByPartition(ports, partitions),
    inParallel(Array.from({ length: partitions }), REQUESTS_AT_ONCE, (_, partition) =>
      restOf(ports, record, { layout, partitions, partition }),
    ),
  ]);
  const now = clock.wallNow();
  const byPartition = look.partitions.map((one): GroupPartition => ({
    ...partitionOnServer(one, now),
    ...replayOf(record, one),
    ...(rests[one.partition] ?? { drained: false, running: [] }),
    ...(parked[one.partition] ?? { parked: 0, letters: 0 }),
  }));
  const { lastReset, deleted, change, run } = rest as Partial<GroupRecord>;
  const open = look.partitions.flatMap(({ oldestSequence }) => oldestSequence ?? []);
  const details = {
    ...{ topic: topic.topic, group, partitions, layout, lastReset },
    condition: conditionOf(record),
    run: Math.max(run ?? 0, ...byPartition.map((one) => one.run ?? 0)),
    change: change && changeOf(change),
    deletedAt: deleted && new Date(deleted.at),
    ...sumsOf(byPartition),
    byPartition,
  };
  return {
    details,
    stored: look.room?.lastSequence,
    oldest: open.length === 0 ? undefined : Math.min(...open),
  };
}

/** Pure. */
export function summaryOf(details: GroupDetails): GroupSummary {
  const { topic, group, condition, partitions, owned, owners, run, change } = details;
  const { lag, oldestUnsettledMs, parked, letters } = details;
  return {
    ...{ topic, group, condition, partitions, owned, owners, run, change },
    ...{ lag, oldestUnsettledMs, parked, letters },
  };
}

/** Of a group that has lost its record: the highest layout that has a lease. */
async function lostLayout(
  { topic }: TopicGroups,
  ports: GroupPorts,
  group: string,
): Promise<{ layout: number; partitions: number }> {
  const places = await ports.places();
  const [first, ...others] = places;
  if (first !== undefined)
    return others.reduce((best, place) => (place.layout > best.layout ? place : best), first);
  throw new AggregateTransportError(
    'GROUP_UNKNOWN',
    `expected group "${group}" on topic "${topic}" to have started, found no record and no lease of it; check the names`,
  );
}

function conditionOf(record: GroupRecord | undefined): GroupCondition {
  if (record === undefined) return 'lost';
  if (record.deleted !== undefined) return 'deleted';
  return record.change === undefined ? 'living' : 'changing';
}

function changeOf({ number, to, id, start, deletes }: LayoutChange): GroupChange {
  const kind = deletes !== undefined ? 'deletion' : start === undefined ? 'repartition' : 'reset';
  return { number, kind, to: deletes === undefined ? to : 0, id, from: start && start.sequence + 1 };
}

function partitionOnServer(
  { partition, lease, position, oldestStoredAt }: PartitionOnServer,
  now: number,
): Omit<GroupPartition, 'replayUntil' | 'drained' | 'running' | 'parked' | 'letters'> {
  return {
    partition,
    ...ownershipOf(lease, position?.epoch ?? 0, now),
    position: position?.high,
    run: position?.run,
    lag: position && position.pending + position.unsettled,
    unsettled: position?.unsettled,
    oldestUnsettledMs: oldestStoredAt === undefined ? undefined : Math.max(0, now - oldestStoredAt),
  };
}

function replayOf(
  record: GroupRecord | undefined,
  { position }: PartitionOnServer,
): Pick<GroupPartition, 'replayUntil'> {
  const until = record?.replayUntil;
  const isReplaying = until !== undefined && position !== undefined && position.high < until;
  return { replayUntil: isReplaying && position.pending + position.unsettled > 0 ? until : undefined };
}

/** Whether a partition is at rest for the change under way, and what keeps it from that. */
async function restOf(
  ports: GroupPorts,
  record: GroupRecord | undefined,
  place: { readonly layout: number; readonly partitions: number; readonly partition: number },
): Promise<Pick<GroupPartition, 'drained' | 'running'>> {
  const { change } = record ?? {};
  if (change === undefined) return { drained: false, running: [] };
  const [position, lease] = await Promise.all([ports.position(place).read(), ports.lease(place).read()]);
  const drained = position.value?.drained?.change === change.number;
  return { drained, running: drained ? [] : (lease.value?.running ?? []) };
}

async function parkedByPartition(
  { parked }: GroupPorts,
  partitions: number,
): Promise<{ parked: number; letters: number }[]> {
  const counts = Array.from({ length: partitions }, () => ({ parked: 0, letters: 0 }));
  // Their names are enough to count them: reading 10 000 markers costs 10 000 requests.
  const [tokens, letters] = await Promise.all([parked.markedTokens(), parked.letterCounts()]);
  for (const token of tokens) {
    const count = counts[partitions === 0 ? 0 : partitionOf(token, partitions)];
    if (count === undefined) continue;
    count.parked++;
    count.letters += letters.get(token) ?? 0;
  }
  return counts;
}

function sumsOf(
  partitions: readonly GroupPartition[],
): Pick<GroupSummary, 'owned' | 'owners' | 'lag' | 'oldestUnsettledMs' | 'parked' | 'letters'> {
  const held = partitions.filter(({ lease }) => lease === 'held');
  const sum = (of: (one: GroupPartition) => number): number =>
    partitions.reduce((all, one) => all + of(one), 0);
  const isTold = partitions.every(({ lag }) => lag !== undefined);
  const ages = partitions.flatMap(({ oldestUnsettledMs }) => oldestUnsettledMs ?? []);
  return {
    owned: held.length,
    owners: new Set(held.map(({ owner }) => owner)).size,
    lag: isTold ? sum(({ lag }) => lag ?? 0) : undefined,
    oldestUnsettledMs: ages.length === 0 ? undefined : Math.max(...ages),
    parked: sum(({ parked }) => parked),
    letters: sum(({ letters }) => letters),
  };
}
