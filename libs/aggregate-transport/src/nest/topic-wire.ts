import type { NatsConnection } from 'nats';
import type { LeaseRecord } from '../consumer/lease-record.js';
import type { RepartitionPorts } from '../consumer/repartition.js';
import type { SuspectRecord } from '../consumer/suspects.js';
import type { GroupLayout } from '../message/group-layout.js';
import type { KeyPort } from '../message/key-port.js';
import type { ConsumerListener, ConsumerPort } from '../message/ports.js';
import type { GroupOnServer, GroupQuestion } from '../message/server-look.js';
import type { StoredMessage } from '../message/stored-event.js';
import type { PresencePort } from '../message/presence-port.js';
import type { ParkedArchive, ParkedPort } from '../parking/parked-port.js';
import type { PublishListener, PublishPort } from '../publisher/publish-port.js';
import type { PartitionAddress } from '../stream/configuration.js';
import type { ConnectionListener } from '../stream/connection.js';
import type { ResolvedTopic } from './resolve-options.js';

/** The ways from one partition of a group to its consumer, its keys and its parked aggregates. */
export interface PartitionWire {
  readonly address: PartitionAddress;
  connect(listener: ConsumerListener): ConsumerPort;
  readonly leasePort: KeyPort<LeaseRecord>;
  readonly suspectPort: KeyPort<SuspectRecord>;
  readonly parkedPort: ParkedPort;
  /** The leases of the partitions, among so many, whose aggregates this partition holds. */
  readonly formerLeases: (partitions: number) => Promise<ReadonlyMap<number, LeaseRecord | undefined>>;
}

/** A group as its record divides it at this moment. */
export interface GroupWire {
  readonly layout: GroupLayout;
  readonly partitions: readonly PartitionWire[];
  /** The record, to be followed; undefined where it never changes. */
  readonly layoutPort: KeyPort<GroupLayout> | undefined;
  /** What a change of the record needs. */
  readonly repartitionPorts: RepartitionPorts | undefined;
}

/** All ways from one topic to its stream: what the rest of `nest/` knows of NATS, and what a test replaces. */
export interface TopicWire {
  /** Undefined where there is no NATS. */
  readonly nats: NatsConnection | undefined;
  readonly connected: boolean;
  /** The client has given up: the connection never comes back. */
  readonly closed: boolean;
  /** Calls back whenever the connection goes or comes back. */
  listen(listener: ConnectionListener): void;
  /** The largest message the stream takes. */
  readonly maxPayloadBytes: number;
  /** How long the stream really knows an event's id. */
  readonly duplicateWindowMs: number;
  /** Why events cannot be stored in atomic batches; undefined if they can. */
  readonly batchObstacle: string | undefined;
  connectPublisher(listener: PublishListener): PublishPort;
  /** The messages of one subject, in stream order. */
  messagesOf(subject: string, fromSequence: number): AsyncIterable<StoredMessage>;
  /** Finds or makes a group's partitions, a consumer for each, and the place for its parked aggregates. */
  openGroup(group: string): Promise<GroupWire>;
  /** Where the replicas of a group see each other. */
  presencePort(group: string): PresencePort;
  /**
   * What the server says of a group, for a look from outside.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  lookAt(question: GroupQuestion): Promise<GroupOnServer>;
  /** The parked aggregates of a group, whether it runs in this process or not. */
  parkedArchive(group: string): ParkedArchive;
}

/** Opens the ways of topics, and closes what they share. */
export interface TopicWires {
  open(topic: ResolvedTopic): Promise<TopicWire>;
  close(): Promise<void>;
}
