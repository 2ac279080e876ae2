import type { StreamState } from '../../message/reader-port.js';
import type { GroupRecord } from '../../records/group-record.js';
import type { KeyPort } from '../../records/key-port.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import type { PresencePort } from '../../records/member-record.js';
import type { PositionRecord } from '../../records/position-record.js';

export type RepartitionKey<T> = Pick<KeyPort<T>, 'read' | 'write' | 'maxBytes'>;

/** Which partition of which layout. */
export interface LayoutPlace {
  readonly layout: number;
  readonly partitions: number;
  readonly partition: number;
}

/** A group's ways to what a change of its layout reads and writes. */
export interface RepartitionPorts {
  readonly group: RepartitionKey<GroupRecord>;
  lease(place: LayoutPlace): RepartitionKey<LeaseRecord>;
  position(place: LayoutPlace): RepartitionKey<PositionRecord>;
  /** The sessions that hold the leases. */
  readonly sessions: Pick<PresencePort, 'read' | 'announce'>;
  /** @throws JETSTREAM_REQUEST_FAILED */
  stream(): Promise<StreamState>;
  /**
   * The partition's first event after `sequence`; if there is none, a lower bound for its next one.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  firstAfter(place: Pick<LayoutPlace, 'partitions' | 'partition'>, sequence: number): Promise<number>;
  /**
   * The last sequence of the stream that was stored before `time`; 0 if there is none.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  lastBefore(time: Date): Promise<number>;
  /**
   * How many events of the partition the stream holds after `sequence`.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  countAfter(place: Pick<LayoutPlace, 'partitions' | 'partition'>, sequence: number): Promise<number>;
  /**
   * Every partition of the group, of any layout, that has a lease or a position. Tells what the group was when its own
   * record is lost.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  places(): Promise<readonly LayoutPlace[]>;
  /**
   * The highest epoch in a marker of the group's parked aggregates; 0 if none is parked.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  parkedEpoch(): Promise<number>;
  /**
   * True if the topic's stream of positions exists. While it does not, `group` and `position` must not be used.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  hasPositions(): Promise<boolean>;
  /**
   * Makes the topic's stream of positions if it is missing, with the storage and replicas of the topic's stream.
   * @throws STREAM_MISMATCH, JETSTREAM_REQUEST_FAILED
   */
  ensurePositions(): Promise<void>;
}
