import type { ConnectionOptions } from 'nats';
import type { Clock } from '../clock.js';
import type { LeaseRecord } from '../records/lease-record.js';
import type { SuspectRecord } from '../consumer/handling/suspects.js';
import type { Log } from '../log.js';
import { sourcesOf } from '../records/group-record.js';
import { partitionBits } from '../message/partitioning.js';
import { consumerConfigOf, msOf, type PartitionAddress } from '../stream/api/configuration.js';
import { Connection } from '../stream/api/connection.js';
import { ConsumerWire } from '../stream/wires/reader-wire.js';
import { groupRecordOf, openGroupBucket } from '../stream/groups/group-bucket.js';
import { lookAtGroup } from '../stream/groups/group-status.js';
import { batchObstacle } from '../stream/wires/atomic-batches.js';
import { messagesOf } from '../stream/wires/history.js';
import { JetStreamApi } from '../stream/api/jetstream-api.js';
import { KeyStore, partitionKey } from '../stream/api/partition-key.js';
import { provisionParkedStreams } from '../stream/groups/parked-streams.js';
import { ParkedWire } from '../stream/wires/parked-wire.js';
import { RepartitionWire } from '../stream/wires/layout-wire.js';
import { untilAnswered } from '../stream/api/until-answered.js';
import { PresenceStore } from '../stream/wires/presence-wire.js';
import { checkConsumer, provisionConsumer, provisionStream } from '../stream/api/provision.js';
import { PublishWire } from '../stream/wires/publish-wire.js';
import type { ResolvedTopic } from './resolve-options.js';
import type { GroupWire, PartitionWire, TopicWire, TopicWires } from './wires.js';

export interface NatsWiresOptions {
  readonly connection: ConnectionOptions;
  readonly connectionMode: 'perTopic' | 'shared';
  readonly clock: Clock;
  readonly log: Log;
}

/** The ways of all topics over NATS: one connection for each, or one for all. */
export class NatsWires implements TopicWires {
  readonly #connections = new Map<string, Promise<Connection>>();

  constructor(private readonly options: NatsWiresOptions) {}

  async open(topic: ResolvedTopic): Promise<TopicWire> {
    const { clock, log } = this.options;
    const connection = await this.#connect(topic.name);
    const api = new JetStreamApi(connection);
    const stream = await provisionStream(api, {
      topic: topic.name,
      provision: topic.provision,
      options: topic.stream,
      explicit: topic.explicitStream,
      serverVersion: connection.serverVersion,
    });
    return {
      nats: connection.nats,
      get connected() {
        return connection.connected;
      },
      get closed() {
        return connection.nats.isClosed();
      },
      listen: (listener) => connection.listen(listener),
      maxPayloadBytes: connection.maxPayloadBytes,
      duplicateWindowMs: msOf(stream.duplicate_window),
      batchObstacle: batchObstacle(stream, connection.serverVersion),
      connectPublisher: (listener) => new PublishWire(connection, api, topic.name, listener),
      messagesOf: (subject, fromSequence) => messagesOf(api, topic.name, subject, fromSequence),
      openGroup: (group) => openGroup({ connection, api, topic, group, clock, log }),
      presencePort: (group) => new PresenceStore(connection, api, topic.name, group),
      lookAt: (question) => lookAtGroup(api, topic.name, { ...question, clock }),
      parkedArchive: (group) => new ParkedWire({ connection, api, topic: topic.name, group, bits: '' }),
    };
  }

  async close(): Promise<void> {
    const connections = await Promise.allSettled(this.#connections.values());
    for (const result of connections) if (result.status === 'fulfilled') await result.value.close();
  }

  #connect(topic: string): Promise<Connection> {
    const { connection, connectionMode, log } = this.options;
    const name = connectionMode === 'shared' ? 'aggregate-transport' : `aggregate-transport:${topic}`;
    const known = this.#connections.get(name);
    if (known !== undefined) return known;
    const connecting = Connection.open(connection, name, log);
    this.#connections.set(name, connecting);
    connecting.catch(() => this.#connections.delete(name));
    return connecting;
  }
}

interface Group {
  readonly connection: Connection;
  readonly api: JetStreamApi;
  readonly topic: ResolvedTopic;
  readonly group: string;
  readonly clock: Clock;
  readonly log: Log;
}

const START_UP_TIMEOUT_MS = 2_000;

/** @throws CONSUMER_MISMATCH, JETSTREAM_REQUEST_FAILED */
async function openGroup(options: Group): Promise<GroupWire> {
  const { connection, api, topic, group, clock, log } = options;
  const { consume, provision, parked, stream } = topic;
  const bucket = await openGroupBucket(connection, stream.replicas, provision === 'ensure');
  const record = await untilAnswered(clock, () =>
    groupRecordOf(bucket, topic.name, group, consume.partitions),
  );
  if (record.partitions !== consume.partitions) {
    log.warn(
      `topic "${topic.name}": group "${group}" has ${record.partitions} partitions, as its record says; consume.partitions ` +
        `${consume.partitions} is not followed (npx aggregate-transport repartition changes it)`,
    );
  }
  await untilAnswered(clock, () =>
    provisionParkedStreams(api, { topic: topic.name, provision, options: parked, stream }),
  );
  const partitions: PartitionWire[] = [];
  for (let partition = 0; partition < record.partitions; partition++) {
    const address = { topic: topic.name, group, partition, partitions: record.partitions };
    const leasePort = new KeyStore<LeaseRecord>(connection, api, partitionKey('lease', address));
    const lease = await untilAnswered(clock, () => leasePort.read(START_UP_TIMEOUT_MS));
    // Behind the group's first start only the partition's owner makes consumers, each under a name of its own.
    await untilAnswered(clock, async () => {
      if (lease === undefined) await provisionConsumer(api, { address, options: consume, log });
      else await checkConsumer(api, { address, options: consume, generation: lease.value.generation });
    });
    partitions.push(partitionOf(options, address, leasePort));
  }
  const ways = new RepartitionWire<LeaseRecord, SuspectRecord>({ connection, api, topic: topic.name, group });
  return { layout: record, partitions, layoutPort: ways.layout, repartitionPorts: ways };
}

function partitionOf(
  { connection, api, topic, group, clock }: Group,
  address: PartitionAddress,
  leasePort: KeyStore<LeaseRecord>,
): PartitionWire {
  const ways = new RepartitionWire<LeaseRecord, SuspectRecord>({ connection, api, topic: topic.name, group });
  return {
    address,
    leasePort,
    formerLeases: async (partitions) => {
      const found = sourcesOf(address.partition, address.partitions, partitions).map(
        async (source) => [source, (await ways.lease(partitions, source).read())?.value] as const,
      );
      return new Map(await Promise.all(found));
    },
    suspectPort: new KeyStore<SuspectRecord>(connection, api, partitionKey('suspects', address)),
    parkedPort: new ParkedWire({
      connection,
      api,
      topic: topic.name,
      group: address.group,
      bits: partitionBits(address.partition, address.partitions),
    }),
    connect: (listener) =>
      new ConsumerWire(
        {
          connection,
          api,
          stream: topic.name,
          configFrom: (generation, startAt) => consumerConfigOf(address, topic.consume, startAt, generation),
          clock,
        },
        listener,
      ),
  };
}
