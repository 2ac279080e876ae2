import type { StreamState } from '../../message/reader-port.js';
import type { StoredMessage } from '../../message/stored-event.js';
import type { ParkedArchive } from '../../parking/parked-port.js';
import type { PartitionAddress } from '../../records/partition-address.js';

/** A group that has started on a topic, as the server knows it. */
export interface StartedGroup {
  readonly group: string;
  readonly layout: number;
  readonly partitions: number;
}

/** How far a partition of a group is settled. */
export interface SettledPlace {
  /** Every event of the partition up to here is settled, but for those that are listed. */
  readonly high: number;
  /** Ascending. */
  readonly unsettled: readonly number[];
}

/** The replica that holds the lease of a partition. */
export interface PartitionOwner {
  /** The name of its process in leases and sessions. */
  readonly owner: string;
  /** Of its lease. */
  readonly epoch: number;
  /** It has renewed its lease in time, as far as the server tells. */
  readonly isAlive: boolean;
}

/**
 * One topic's ways to all that the server holds of an aggregate. Every call rejects with JETSTREAM_REQUEST_FAILED if
 * the server does not answer.
 */
export interface AggregatePorts {
  readonly topic: string;
  readonly stream: () => Promise<StreamState>;
  /** The aggregate's events from a sequence on, in order. */
  readonly history: (token: string, fromSequence: number) => AsyncIterable<StoredMessage>;
  /** The last sequence that was stored before this time; 0 if there is none. */
  readonly lastBefore: (time: Date) => Promise<number>;
  readonly groups: () => Promise<readonly StartedGroup[]>;
  readonly position: (address: PartitionAddress) => Promise<SettledPlace>;
  /** Undefined if the partition was never taken. */
  readonly owner: (address: PartitionAddress) => Promise<PartitionOwner | undefined>;
  readonly parked: (group: string) => ParkedArchive;
  /** Letters and skipped events of the aggregate, by group. */
  readonly letters: (token: string) => Promise<readonly { readonly group: string; readonly count: number }[]>;
  /** Writes down that these events are about to be purged. */
  readonly notePurged: (created: string, sequences: readonly number[]) => Promise<void>;
  /** Resolves with the number of events that were purged. */
  readonly purgeEvents: (token: string, through: number) => Promise<number>;
  readonly purgeLetters: (token: string, throughPosition: number) => Promise<number>;
  /** The last position in the stream of letters; 0 without one. */
  readonly lastPosition: () => Promise<number>;
}
