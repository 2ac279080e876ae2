import { partitionOf } from '../../message/partitioning.js';
import { tokenOfSubject } from '../../message/subject.js';
import { keepsLease, type LeaseOnServer, type PartitionOnServer } from '../../records/group-on-server.js';
import type { GroupRecord } from '../../records/group-record.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import { decodeSequences, type PositionOrigin, type PositionRecord } from '../../records/position-record.js';
import type { MemoryKey } from './memory-key.js';
import type { MemoryPresence } from './memory-presence.js';
import type { MemoryMessage, MemoryStream } from './memory-stream.js';

export interface PartitionStatusRequest {
  readonly partition: number;
  readonly stream: MemoryStream;
  /** What the subjects of the partition begin with. */
  readonly prefix: string;
  readonly group: GroupRecord;
  readonly position: PositionRecord | undefined;
  /** Undefined if it is not asked for. */
  readonly lease: MemoryKey<LeaseRecord> | undefined;
  readonly presence: MemoryPresence;
}

type Place = Pick<PositionRecord, 'high' | 'unsettled' | 'epoch' | 'run' | 'created' | 'origin'>;

/** What a server would say of one partition of a group. */
export function partitionStatus(request: PartitionStatusRequest): PartitionOnServer {
  const { partition, stream, prefix, group, lease } = request;
  const place = request.position ?? startOf(group);
  // A position in another stream says nothing of this one: the partition will begin at its first event.
  const isOfStream = place.created === stream.created;
  const high = isOfStream ? place.high : 0;
  const unsettled = isOfStream ? decodeSequences(place.unsettled) : [];
  const isListed = new Set(unsettled);
  const settledBefore = isOfStream && place.origin !== undefined ? settledIn(place.origin) : () => false;
  const own = stream.messages.filter(({ subject }) => subject.startsWith(prefix));
  const pending = own.filter((message) => message.sequence > high && !settledBefore(message));
  const open = own.find(({ sequence }) => isListed.has(sequence)) ?? pending[0];
  return {
    partition,
    lease: lease && leaseStatus(lease, request.presence),
    position: {
      high,
      epoch: place.epoch,
      run: place.run,
      unsettled: unsettled.length,
      pending: pending.length,
    },
    oldestStoredAt: open && Date.parse(open.storedAt),
    oldestSequence: open?.sequence,
  };
}

/** The place of a partition that has no record yet. */
function startOf({ start, run }: GroupRecord): Place {
  return { high: start.sequence, unsettled: '', epoch: start.epoch, run, created: start.created };
}

/** Tells which events the partitions of the layout before had settled. */
function settledIn({ partitions, sources }: PositionOrigin): (message: MemoryMessage) => boolean {
  const bySource = new Map(
    sources.map(({ partition, high, unsettled }) => [
      partition,
      { high, unsettled: new Set(decodeSequences(unsettled)) },
    ]),
  );
  return ({ subject, sequence }) => {
    const source = bySource.get(partitionOf(tokenOfSubject(subject), partitions));
    return source !== undefined && sequence <= source.high && !source.unsettled.has(sequence);
  };
}

/** What a server would say of a lease. */
export function leaseStatus(
  key: MemoryKey<LeaseRecord>,
  presence: MemoryPresence,
): LeaseOnServer | undefined {
  const { value } = key.stored;
  if (value === undefined) return undefined;
  const { owner, epoch, ttlMs, sessionTtlMs, released } = value;
  const session = presence.stored(owner).value;
  const renewedAt = keepsLease(value, session) ? presence.writtenAt(owner) : 0;
  const aliveAt = Math.max(key.writtenAt, renewedAt);
  return { owner, epoch, ttlMs: sessionTtlMs ?? ttlMs, released: released === true, aliveAt };
}
