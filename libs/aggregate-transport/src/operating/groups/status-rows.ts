import type { Clock } from '../../clock.js';
import type {
  GroupOnServer,
  GroupQuestion,
  KnownGroup,
  MissingParts,
  ParkedCount,
  PartitionOnServer,
} from '../../records/group-on-server.js';
import { describeMissing } from './missing-parts.js';
import { ownershipOf, type PartitionOwnership } from './ownership.js';

/**
 * How a partition stands, as far as the server knows. What a process holds in its memory only that process can tell.
 */
export interface StatusRow extends PartitionOwnership {
  /** The topic that the group reads. */
  readonly topic: string;
  /** Its name. */
  readonly group: string;
  /** Its number, from 0. */
  readonly partition: number;
  /** How often the group began again; undefined, like the next three, if the topic has no stream. */
  readonly run: number | undefined;
  /** Events stored and not settled, whether the partition has an owner or not. */
  readonly lag: number | undefined;
  /** Those among them that lie below the highest settled one. */
  readonly unsettled: number | undefined;
  /** Since the oldest event of `lag` was stored, in milliseconds. */
  readonly oldestUnsettledMs: number | undefined;
  /** Parked aggregates of the partition. */
  readonly parked: number;
  /** Their events that wait in the parked stream. */
  readonly letters: number;
  /** What the server lacks of this group, and what to do; undefined if nothing is missing. */
  readonly missing: readonly string[] | undefined;
}

/** A topic's ways to what status tells. Every call rejects with JETSTREAM_REQUEST_FAILED without an answer. */
export interface StatusPorts {
  /** The topic's groups that have ever started, or the one of this name if it has. */
  readonly known: (group: string | undefined) => Promise<readonly KnownGroup[]>;
  readonly missing: () => Promise<MissingParts>;
  readonly look: (question: GroupQuestion, missing: MissingParts) => Promise<GroupOnServer>;
  /** By partition. */
  readonly parkedCounts: (known: KnownGroup) => Promise<readonly ParkedCount[]>;
}

const WITHIN_MS = 10_000;
/** Who asks from outside owns no partition. */
const NONE: ReadonlySet<number> = new Set();

/**
 * All partitions of a topic's groups, or of one of them, from the server alone.
 * @throws JETSTREAM_REQUEST_FAILED, RECORD_INVALID
 */
export async function readStatus(
  ports: StatusPorts,
  group: string | undefined,
  clock: Clock,
): Promise<StatusRow[]> {
  const rows: StatusRow[] = [];
  for (const known of await ports.known(group)) {
    const parts = await ports.missing();
    const lacks = describeMissing(known, parts);
    const missing = lacks.length === 0 ? undefined : lacks;
    const question = { ...known, owned: NONE, ownedOnly: false, withinMs: WITHIN_MS };
    const [look, parked] = await Promise.all([ports.look(question, parts), ports.parkedCounts(known)]);
    const now = clock.wallNow();
    for (const partition of look.partitions)
      rows.push({ ...rowOf(known, partition, { parked: parked[partition.partition], now }), missing });
  }
  return rows;
}

function rowOf(
  { topic, group }: KnownGroup,
  { partition, lease, position, oldestStoredAt }: PartitionOnServer,
  { parked, now }: { readonly parked: ParkedCount | undefined; readonly now: number },
): Omit<StatusRow, 'missing'> {
  return {
    topic,
    group,
    partition,
    ...ownershipOf(lease, position?.epoch ?? 0, now),
    ...progressOf(position, oldestStoredAt, now),
    parked: parked?.aggregates ?? 0,
    letters: parked?.letters ?? 0,
  };
}

function progressOf(
  position: PartitionOnServer['position'],
  oldestStoredAt: number | undefined,
  now: number,
): Pick<StatusRow, 'run' | 'lag' | 'unsettled' | 'oldestUnsettledMs'> {
  return {
    run: position?.run,
    lag: position && position.pending + position.unsettled,
    unsettled: position?.unsettled,
    oldestUnsettledMs: position && Math.max(0, now - (oldestStoredAt ?? now)),
  };
}
