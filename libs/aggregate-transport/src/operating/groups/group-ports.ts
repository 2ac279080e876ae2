import type { LayoutPlace, RepartitionPorts } from '../../consumer/repartition/repartition-ports.js';
import type { ParkedArchive } from '../../parking/parked-port.js';
import type { GroupOnServer, GroupQuestion } from '../../records/group-on-server.js';
import type { GroupRecord } from '../../records/group-record.js';
import type { StoredValue } from '../../records/key-port.js';
import type { PresencePort } from '../../records/member-record.js';

/** What a group has on the server besides its record, at one moment. What is written later is no part of it. */
export interface GroupRemains {
  /** Markers of parked aggregates. */
  readonly aggregates: number;
  /** Events in the parked stream, skipped ones included. */
  readonly letters: number;
  /** Positions that are not deleted, of every layout. */
  readonly positions: number;
  readonly leases: number;
  /** Records of replicas that run, or ended without removing theirs. */
  readonly replicas: number;
  /** The partitions of all layouts that have a lease or had a position. */
  readonly places: readonly LayoutPlace[];
  /** The last sequences of the streams of letters, markers and leases. */
  readonly through: { readonly letters: number; readonly markers: number; readonly leases: number };
}

/** A group's ways to all that an operator asks of it, or changes. */
export interface GroupPorts extends RepartitionPorts {
  readonly sessions: Pick<PresencePort, 'list' | 'read' | 'announce' | 'remove'>;
  /** The group's parked aggregates, of all partitions. */
  readonly parked: Pick<
    ParkedArchive,
    'markers' | 'markedTokens' | 'readMarker' | 'letterCounts' | 'next' | 'page'
  >;
  /**
   * How many aggregates the topic's stream holds events of.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  aggregates(): Promise<number>;
  /** @throws JETSTREAM_REQUEST_FAILED */
  remains(): Promise<GroupRemains>;
  /**
   * Removes the markers, letters and skipped events that were counted, and none that were written since.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  removeParked(remains: GroupRemains): Promise<void>;
  /**
   * Puts a tombstone where the position of a partition is, or could be written. A process that slept since then finds
   * that a position was there, and starts nothing. Safe to call again.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  removePosition(place: LayoutPlace): Promise<void>;
  /**
   * Removes the leases that were counted, and none that were written since.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  removeLeases(remains: GroupRemains): Promise<void>;
}

/** A topic's ways to its groups. */
export interface TopicGroups {
  /** For texts. */
  readonly topic: string;
  /**
   * The groups that have a record, deleted ones included, or leases without one. Sorted.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  names(): Promise<readonly string[]>;
  portsOf(group: string): GroupPorts;
  /**
   * What the server says of a group.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  lookAt(question: GroupQuestion): Promise<GroupOnServer>;
}

/**
 * The record of a group, whether it is deleted or not.
 * @throws JETSTREAM_REQUEST_FAILED, RECORD_INVALID
 */
export async function recordOf(ports: GroupPorts): Promise<StoredValue<GroupRecord>> {
  // Without the stream its keys must not be asked for.
  if (!(await ports.hasPositions())) return { value: undefined, revision: 0 };
  return ports.group.read();
}
