import type { StreamState } from '../../message/reader-port.js';
import { partitionFilter } from '../../message/partitioning.js';
import { AggregateTransportError } from '../../errors.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import type { PartitionAddress } from '../../records/partition-address.js';
import type { Marker } from '../../records/marker.js';
import type { PositionRecord } from '../../records/position-record.js';
import {
  leaseFilter,
  leasePlace,
  MARKER_BUCKET,
  markerFilter,
  markerPlace,
  positionFilter,
  positionPlace,
  positionsStreamOf,
  LEASE_BUCKET,
  streamOfBucket,
} from '../keys/key-places.js';
import { inParallel } from '../../in-parallel.js';
import { createStream, findStream } from '../api/provision.js';
import { subjectsOf } from '../api/subjects.js';
import { type KeyAccess, PartitionKey } from '../keys/partition-key.js';
import { findMessage } from '../api/stored-message.js';
import { streamStateOf } from '../api/stream-state.js';
import { GroupRecordKey } from '../wires/group-record-key.js';
import { lastBefore } from '../wires/last-before.js';
import { PresenceWire } from '../wires/presence-wire.js';
import { pendingAfter } from './position-lag.js';
import { checkPositionsStream, positionsConfigOf } from './positions-stream.js';

type Place = Omit<PartitionAddress, 'topic' | 'group'>;

/** More patient than a partition, which has a lease to keep. */
const TIMEOUT_MS = 2_000;
const AT_ONCE = 16;

/** A group's ways over NATS to what a change of its layout reads and writes. */
export class LayoutWire {
  readonly group: GroupRecordKey;
  readonly sessions: PresenceWire;

  constructor(
    private readonly access: KeyAccess,
    private readonly of: Pick<PartitionAddress, 'topic' | 'group'>,
  ) {
    this.group = new GroupRecordKey(access, of.topic, of.group, TIMEOUT_MS);
    this.sessions = new PresenceWire(access, of.topic, of.group);
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

  async countAfter(place: Pick<Place, 'partitions' | 'partition'>, sequence: number): Promise<number> {
    const stream = await this.stream();
    const address = { ...this.of, layout: 0, ...place };
    return pendingAfter(this.access, address, { high: sequence, stream, timeout: () => TIMEOUT_MS });
  }

  async places(): Promise<readonly Place[]> {
    const { topic, group } = this.of;
    const { api } = this.access;
    const [leases, positions] = await Promise.all([
      subjectsOf(api, streamOfBucket(LEASE_BUCKET), leaseFilter(topic, group), TIMEOUT_MS),
      subjectsOf(api, positionsStreamOf(topic), positionFilter(topic, group), TIMEOUT_MS),
    ]);
    const found = new Map<string, Place>();
    for (const subject of [...leases.keys(), ...positions.keys()]) {
      const [layout = 0, partitions = 0, partition = 0] = subject.split('.').slice(-3).map(Number);
      found.set(`${layout}.${partitions}.${partition}`, { layout, partitions, partition });
    }
    return [...found.values()];
  }

  async parkedEpoch(): Promise<number> {
    const { topic, group } = this.of;
    const { api } = this.access;
    const markers = await subjectsOf(
      api,
      streamOfBucket(MARKER_BUCKET),
      markerFilter(topic, group),
      TIMEOUT_MS,
    );
    let highest = 0;
    await inParallel([...markers.keys()], AT_ONCE, async (subject) => {
      const key = new PartitionKey<Marker>(this.access, markerPlace(subject), TIMEOUT_MS);
      highest = Math.max(highest, (await key.read()).value?.epoch ?? 0);
    });
    return highest;
  }

  async hasPositions(): Promise<boolean> {
    return (await findStream(this.access.api, positionsStreamOf(this.of.topic))) !== undefined;
  }

  async ensurePositions(): Promise<void> {
    const { api } = this.access;
    const { topic } = this.of;
    const stream = await findStream(api, topic);
    if (stream === undefined) {
      throw new AggregateTransportError(
        'STREAM_MISSING',
        `expected a stream "${topic}" for the topic, found none; restore it, or check the name`,
      );
    }
    const found =
      (await findStream(api, positionsStreamOf(topic))) ??
      (await createStream(api, positionsConfigOf(topic, { maxBytes: -1 }, stream.config)));
    checkPositionsStream(topic, found.config, stream.config);
  }
}
