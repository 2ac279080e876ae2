import type { StreamState } from '../../message/reader-port.js';
import type { GroupRecord } from '../../records/group-record.js';
import type { KeyPort } from '../../records/key-port.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import type { PositionRecord } from '../../records/position-record.js';

type Key<T> = Pick<KeyPort<T>, 'read' | 'write' | 'maxBytes'>;

/** Which partition of which layout. */
export interface LayoutPlace {
  readonly layout: number;
  readonly partitions: number;
  readonly partition: number;
}

/** A group's ways to what a change of its layout reads and writes. */
export interface RepartitionPorts {
  readonly group: Key<GroupRecord>;
  lease(place: LayoutPlace): Key<LeaseRecord>;
  position(place: LayoutPlace): Key<PositionRecord>;
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
}
