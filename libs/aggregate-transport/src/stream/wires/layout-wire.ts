import type { StreamState } from '../../message/reader-port.js';
import { partitionFilter } from '../../message/partitioning.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import type { PartitionAddress } from '../../records/partition-address.js';
import type { PositionRecord } from '../../records/position-record.js';
import { leasePlace, positionPlace } from '../api/key-places.js';
import { type KeyAccess, PartitionKey } from '../api/partition-key.js';
import { findMessage } from '../api/stored-message.js';
import { streamStateOf } from '../api/stream-state.js';
import { GroupRecordKey } from './group-record-key.js';
import { lastBefore } from './last-before.js';

type Place = Omit<PartitionAddress, 'topic' | 'group'>;

/** More patient than a partition, which has a lease to keep. */
const TIMEOUT_MS = 2_000;

/** A group's ways over NATS to what a change of its layout reads and writes. */
export class LayoutWire {
  readonly group: GroupRecordKey;

  constructor(
    private readonly access: KeyAccess,
    private readonly of: Pick<PartitionAddress, 'topic' | 'group'>,
  ) {
    this.group = new GroupRecordKey(access, of.topic, of.group, TIMEOUT_MS);
  }

  lease(place: Place): PartitionKey<LeaseRecord> {
    return new PartitionKey(this.access, leasePlace({ ...this.of, ...place }), TIMEOUT_MS);
  }

  position(place: Place): PartitionKey<PositionRecord> {
    return new PartitionKey(this.access, positionPlace({ ...this.of, ...place }), TIMEOUT_MS);
  }

  stream(): Promise<StreamState> {
    return streamStateOf(this.access.api, this.of.topic, TIMEOUT_MS);
  }

  async firstAfter(place: Pick<Place, 'partitions' | 'partition'>, sequence: number): Promise<number> {
    const { topic } = this.of;
    // Read first: an event that is stored later has a higher sequence.
    const { lastSequence } = await this.stream();
    const filter = partitionFilter(topic, place.partition, place.partitions);
    const question = { seq: sequence + 1, next_by_subj: filter };
    const found = await findMessage(this.access.api, topic, question, TIMEOUT_MS);
    return found?.seq ?? Math.max(sequence, lastSequence) + 1;
  }

  lastBefore(time: Date): Promise<number> {
    return lastBefore(this.access.api, this.of.topic, time);
  }
}
