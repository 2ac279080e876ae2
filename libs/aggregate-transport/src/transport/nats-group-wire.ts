import type { RepartitionPorts } from '../consumer/repartition/repartition-ports.js';
import { AggregateTransportError } from '../errors.js';
import { partitionBits } from '../message/partitioning.js';
import type { ReaderConnectionListener, ReaderPort } from '../message/reader-port.js';
import type { ParkedPort } from '../parking/parked-port.js';
import type { GroupRecord } from '../records/group-record.js';
import type { KeyPort } from '../records/key-port.js';
import type { LeaseRecord } from '../records/lease-record.js';
import type { PartitionAddress } from '../records/partition-address.js';
import type { PositionRecord } from '../records/position-record.js';
import type { StreamConfig } from '../stream/api/api-types.js';
import { findStream } from '../stream/api/provision.js';
import { type ProbedPlace, requireReached } from '../stream/api/reach.js';
import { untilAnswered } from '../stream/api/until-answered.js';
import { LayoutWire } from '../stream/groups/layout-wire.js';
import { provisionLeaseBucket } from '../stream/groups/lease-bucket.js';
import { oldConsumersOf } from '../stream/groups/old-consumers.js';
import { GroupRecordOpening } from '../stream/groups/open-group-record.js';
import { provisionParkedStreams } from '../stream/groups/parked-streams.js';
import {
  keyPrefixOf,
  LEASE_BUCKET,
  leasePlace,
  MARKER_BUCKET,
  parkedStreamOf,
  positionPlace,
  streamOfBucket,
} from '../stream/keys/key-places.js';
import { PartitionKey } from '../stream/keys/partition-key.js';
import { GroupRecordKey } from '../stream/wires/group-record-key.js';
import { ParkedWire } from '../stream/wires/parked-wire.js';
import { ReaderWire } from '../stream/wires/reader-wire.js';
import type { NatsTopic } from './nats-topic.js';
import type { GroupWire, OpenHow, PartitionWire } from './wires.js';

/**
 * Finds or makes what a group needs on a topic.
 * @throws RECORD_INVALID, RECORD_MISSING, GROUP_DELETED, OLD_CONSUMERS, STREAM_MISSING, STREAM_MISMATCH,
 *   OPTIONS_INVALID, JETSTREAM_REQUEST_FAILED
 */
export async function openGroup(
  of: NatsTopic,
  group: string,
  { mustExist = false }: OpenHow = {},
): Promise<GroupWire> {
  const { api, topic, clock, log } = of;
  const { provision, consume, parked, positions } = topic;
  const storage = await untilAnswered(clock, () => streamOf(of));
  const replicas = storage.num_replicas;
  await untilAnswered(clock, () => provisionLeaseBucket(api, { provision, replicas }));
  await untilAnswered(clock, () =>
    provisionParkedStreams(api, {
      ...{ topic: topic.name, provision, options: parked, stream: storage },
      serverVersion: of.connection.storingVersion,
    }),
  );
  const { partitions, startAt } = consume;
  for (const place of probedPlaces(topic.name, group)) await requireReached(of.connection, clock, place);
  const request = { topic: topic.name, group, provision, positions, storage, partitions, startAt, mustExist };
  const record = await untilAnswered(clock, () => new GroupRecordOpening(of, request, log).open());
  if (record.partitions !== partitions) {
    log.write(
      'partitions-option-ignored',
      { topic: topic.name, group, partitions: record.partitions, wanted: partitions },
      `topic "${topic.name}": group "${group}" has ${record.partitions} partitions, as its record says; ` +
        `consume.partitions ${partitions} is not followed (npx aggregate-transport repartition changes it)`,
    );
  }
  return new NatsGroupWire(of, group, record);
}

/** A subject of each stream that a group writes to besides its positions, which are written at once. */
function probedPlaces(topic: string, group: string): readonly ProbedPlace[] {
  const keys = [LEASE_BUCKET, MARKER_BUCKET].map((bucket) => ({
    stream: streamOfBucket(bucket),
    subject: `${keyPrefixOf(bucket)}reach.${topic}.${group}`,
    isKey: true,
  }));
  const parked = parkedStreamOf(topic);
  return [...keys, { stream: parked, subject: `${parked}.${group}.skipped.reach` }];
}

/** Read again for each group: replicas may have been added since the topic was opened. */
async function streamOf({ api, topic }: NatsTopic): Promise<StreamConfig> {
  const found = await findStream(api, topic.name);
  if (found !== undefined) return found.config;
  throw new AggregateTransportError(
    'STREAM_MISSING',
    `expected a stream "${topic.name}" for the topic, found none; it was deleted since: restore it, or start again`,
  );
}

/** The ways of one group on a topic, as its record divides it at this moment. */
class NatsGroupWire implements GroupWire {
  readonly partitions: readonly PartitionWire[];
  readonly recordPort: KeyPort<GroupRecord>;
  readonly repartitionPorts: RepartitionPorts;

  constructor(
    private readonly of: NatsTopic,
    private readonly group: string,
    readonly record: GroupRecord,
  ) {
    const topic = of.topic.name;
    const { layout, partitions } = record;
    this.recordPort = new GroupRecordKey(of, topic, group);
    this.repartitionPorts = new LayoutWire(of, { topic, group });
    this.partitions = Array.from(
      { length: partitions },
      (_, partition) => new NatsPartitionWire(of, { topic, group, layout, partitions, partition }),
    );
  }

  oldConsumers(): Promise<readonly string[]> {
    return oldConsumersOf(this.of.api, this.of.topic.name, this.group);
  }
}

/** The ways of one partition. */
class NatsPartitionWire implements PartitionWire {
  readonly leasePort: KeyPort<LeaseRecord>;
  readonly positionPort: KeyPort<PositionRecord>;
  readonly parkedPort: ParkedPort;

  constructor(
    private readonly of: NatsTopic,
    readonly address: PartitionAddress,
  ) {
    const { connection, api, clock } = of;
    const { topic, group, partition, partitions } = address;
    const bits = partitionBits(partition, partitions);
    this.leasePort = new PartitionKey(of, leasePlace(address));
    this.positionPort = new PartitionKey(of, positionPlace(address));
    this.parkedPort = new ParkedWire({ connection, api, clock, topic, group, bits });
  }

  connect(listener: ReaderConnectionListener): ReaderPort {
    const { connection, api, topic, log } = this.of;
    const { maxWaiting } = topic.consume;
    return new ReaderWire({ connection, api, address: this.address, maxWaiting, log }, listener);
  }
}
