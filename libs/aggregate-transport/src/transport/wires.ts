import type { RepartitionPorts } from '../consumer/repartition/repartition-ports.js';
import type { ReaderConnectionListener, ReaderPort, StreamState } from '../message/reader-port.js';
import type { StoredMessage } from '../message/stored-event.js';
import type { TopicPorts } from '../operating/server/server-ports.js';
import type { TopicGroups } from '../operating/groups/group-ports.js';
import type { AggregatePorts } from '../operating/aggregates/aggregate-ports.js';
import type { ParkedArchive, ParkedPort } from '../parking/parked-port.js';
import type { PublishListener, PublishPort } from '../publisher/publish-port.js';
import type { GroupOnServer, GroupQuestion } from '../records/group-on-server.js';
import type { GroupRecord } from '../records/group-record.js';
import type { KeyPort } from '../records/key-port.js';
import type { LeaseRecord } from '../records/lease-record.js';
import type { PresencePort } from '../records/member-record.js';
import type { PartitionAddress } from '../records/partition-address.js';
import type { PositionRecord } from '../records/position-record.js';
import type { SettingDifference } from '../records/setting-difference.js';
import type { ResolvedTopic } from './resolve-options.js';

/** The ways from one partition of a group to its events, its records and its parked aggregates. */
export interface PartitionWire {
  readonly address: PartitionAddress;
  /** The way to the partition's events. */
  connect(listener: ReaderConnectionListener): ReaderPort;
  readonly leasePort: KeyPort<LeaseRecord>;
  readonly positionPort: KeyPort<PositionRecord>;
  readonly parkedPort: ParkedPort;
}

/** A group as its record divides it at this moment. */
export interface GroupWire {
  readonly record: GroupRecord;
  readonly partitions: readonly PartitionWire[];
  /** The record, to be followed. */
  readonly recordPort: KeyPort<GroupRecord>;
  /** What a change of the layout reads and writes. */
  readonly repartitionPorts: RepartitionPorts;
  /** Consumers that a release with acks left for this group, by name: with them the group would be handled twice. */
  oldConsumers(): Promise<readonly string[]>;
}

/** How a group is opened. */
export interface OpenHow {
  /** It is never begun: only the start of a process does that. */
  readonly mustExist?: boolean;
}

/** The part of a connection's life that others follow. */
export interface WireListener {
  disconnected?(): void;
  reconnected?(): void;
}

/** All ways from one topic to its stream: what `transport/` and `nest/` know of NATS, and what a test replaces. */
export interface TopicWire {
  /** For the log: the server, and whether the stream was found or made. No credentials. */
  readonly description: string;
  /** The client's own connection, for a user who asks for it; undefined where there is no NATS. */
  readonly nats: unknown;
  readonly connected: boolean;
  /** The client has given up: the connection never comes back. */
  readonly closed: boolean;
  /** Why, as the client or the server says it. */
  readonly closedWhy?: string | undefined;
  /** Set while JetStream answers nothing although the connection is up. */
  readonly jetStreamAway: { readonly forMs: number; readonly why: string } | undefined;
  /** Calls back whenever the connection goes or comes back. */
  listen(listener: WireListener): void;
  /** The largest message the stream takes. */
  readonly maxPayloadBytes: number;
  /** How long the stream really knows an event's id. */
  readonly duplicateWindowMs: number;
  /** Why events cannot be stored in atomic batches; undefined if they can. */
  readonly batchObstacle: string | undefined;
  connectPublisher(listener: PublishListener): PublishPort;
  /**
   * The last message of one subject, as the stream's leader knows it; undefined if there is none.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  lastOf(subject: string): Promise<StoredMessage | undefined>;
  /** The messages of one subject, in stream order. */
  messagesOf(subject: string, fromSequence: number): AsyncIterable<StoredMessage>;
  /**
   * What the stream's leader says of it now.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  progress(): Promise<StreamState>;
  /**
   * Finds or makes what a group needs: its record, its positions, and the place for its parked aggregates.
   * @throws RECORD_INVALID, RECORD_MISSING, OLD_CONSUMERS, STREAM_MISSING, STREAM_MISMATCH, JETSTREAM_REQUEST_FAILED
   * @throws OPTIONS_INVALID if `consume.startAt` names a sequence that the stream does not have yet
   * @throws GROUP_DELETED while it is being deleted, and if it must exist and is deleted
   */
  openGroup(group: string, how?: OpenHow): Promise<GroupWire>;
  /** Where the replicas of a group see each other. */
  presencePort(group: string): PresencePort;
  /**
   * What the server says of a group, to an observer.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  lookAt(question: GroupQuestion): Promise<GroupOnServer>;
  /**
   * By what the topic's streams differ from what the promises need; those of groups only once a group was opened.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  settingDifferences(): Promise<readonly SettingDifference[]>;
  /** What an operator asks of the topic's groups, and changes. */
  readonly groups: TopicGroups;
  /** The parked aggregates of a group, whether it runs in this process or not. */
  parkedArchive(group: string): ParkedArchive;
  /** All that the server holds of single aggregates, for operators. */
  aggregates(): AggregatePorts;
  /** All that tools of operators ask of the topic. */
  readonly operated: TopicPorts;
}

/** Opens the ways of topics, and closes what they share. */
export interface TopicWires {
  /** When `signal` aborts, connecting is called off, and the promise rejects. */
  open(topic: ResolvedTopic, signal?: AbortSignal): Promise<TopicWire>;
  close(): Promise<void>;
}
