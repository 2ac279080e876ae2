import type { LeaseRecord } from './lease-record.js';
import type { MemberRecord } from './member-record.js';

/** The lease of a partition as the server holds it. */
export interface LeaseOnServer {
  readonly owner: string;
  readonly epoch: number;
  readonly released: boolean;
  readonly ttlMs: number;
  /** The last write of the lease, or of the session that keeps it, by the server's clock, in milliseconds since 1970. */
  readonly aliveAt: number;
}

/** True if renewals of this session keep the lease. Pure. */
export function keepsLease({ term }: LeaseRecord, session: MemberRecord | undefined): boolean {
  return term !== undefined && session?.term === term && session.ended !== true;
}

/** The position of a partition as the server holds it. */
export interface PositionOnServer {
  /** The highest settled sequence. */
  readonly high: number;
  readonly epoch: number;
  readonly run: number;
  /** Events up to `high` that are not settled. */
  readonly unsettled: number;
  /** Events above `high`, settled ones excluded; counted by a reader made for this question. */
  readonly pending: number;
}

/** What the server says of one partition of a group. */
export interface PartitionOnServer {
  readonly partition: number;
  /** Undefined if it was never taken, or if it was not asked for. */
  readonly lease: LeaseOnServer | undefined;
  /** A partition without a record counts from the start of its group; undefined if there is no stream. */
  readonly position: PositionOnServer | undefined;
  /** The oldest event that is not settled: when it was stored, in milliseconds since 1970; undefined if there is none. */
  readonly oldestStoredAt: number | undefined;
  readonly oldestSequence: number | undefined;
}

/** How much a stream holds, and how much it may hold before it drops its oldest events. */
export interface StreamRoom {
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
  /** Undefined without such a limit, or if a full stream refuses new events instead. */
  readonly maxMessages: number | undefined;
  readonly maxBytes: number | undefined;
  /** Undefined if no event is too old. */
  readonly maxAgeMs: number | undefined;
}

/** Sequences between the first and the last of a stream that it does not hold. */
export interface StreamHoles {
  /** Changes whenever something was removed. */
  readonly version: string;
  readonly count: number;
  /** Ascending; undefined if they were not asked for, or if there are too many to list. */
  readonly sequences: readonly number[] | undefined;
}

/** What the server says of a group on a topic. */
export interface GroupOnServer {
  /** Where the topic's stream begins; 0 if it has none. */
  readonly firstSequence: number;
  readonly holes: StreamHoles;
  /** Undefined if the topic has no stream. */
  readonly room: StreamRoom | undefined;
  readonly partitions: readonly PartitionOnServer[];
}

/** What to ask the server about a group. */
export interface GroupQuestion {
  readonly group: string;
  readonly layout: number;
  readonly partitions: number;
  /** Partitions that the asking process owns: their lease is not read. */
  readonly owned: ReadonlySet<number>;
  /** Asks for the list of the stream's holes, unless it still has this version. Absent: no list is read. */
  readonly knownHoles?: string;
  /** Asks about those only. */
  readonly ownedOnly: boolean;
  /** No request begins later than this many milliseconds from now. */
  readonly withinMs: number;
}

/** A group that has ever started, as the server knows it. */
export interface KnownGroup {
  readonly topic: string;
  readonly group: string;
  readonly layout: number;
  readonly partitions: number;
  /** False if only its leases tell of it: its record is lost. */
  readonly hasRecord: boolean;
}

/** What is parked of a partition. */
export interface ParkedCount {
  /** Aggregates with a marker. */
  aggregates: number;
  letters: number;
}

/** Which streams of a group the server does not have, and the names of two of them. */
export interface MissingParts {
  readonly stream: boolean;
  readonly positions: boolean;
  readonly leases: boolean;
  readonly names: { readonly positions: string; readonly leases: string };
}
