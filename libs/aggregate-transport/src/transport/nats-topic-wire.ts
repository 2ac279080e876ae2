import type { StreamState } from '../message/reader-port.js';
import type { StoredMessage } from '../message/stored-event.js';
import type { TopicGroups } from '../operating/groups/group-ports.js';
import type { TopicPorts } from '../operating/server/server-ports.js';
import type { AggregatePorts } from '../operating/aggregates/aggregate-ports.js';
import type { ParkedArchive } from '../parking/parked-port.js';
import type { PublishListener, PublishPort } from '../publisher/publish-port.js';
import type { GroupOnServer, GroupQuestion } from '../records/group-on-server.js';
import type { PresencePort } from '../records/member-record.js';
import type { SettingDifference } from '../records/setting-difference.js';
import { allowsBatchedGet, BatchedGet } from '../stream/api/batched-get.js';
import type { ProvisionedStream, StreamRequest } from '../stream/api/provision.js';
import { type JetStreamAway, JetStreamWatch } from '../stream/api/jetstream-watch.js';
import { streamStateOf } from '../stream/api/stream-state.js';
import { msOf } from '../stream/api/time.js';
import { AggregateWire } from '../stream/groups/aggregate-wire.js';
import { GroupLook } from '../stream/groups/group-status.js';
import { OperatedTopicWire } from '../stream/operating/topic-wire.js';
import { TopicGroupsWire } from '../stream/operating/topic-groups.js';
import { SettingsLook } from '../stream/groups/settings-look.js';
import { batchObstacle } from '../stream/wires/atomic-batches.js';
import { lastOf, messagesOf, subjectMessages } from '../stream/wires/history.js';
import { ParkedWire } from '../stream/wires/parked-wire.js';
import { PresenceWire } from '../stream/wires/presence-wire.js';
import { PublishWire } from '../stream/wires/publish-wire.js';
import { openGroup } from './nats-group-wire.js';
import type { NatsTopic } from './nats-topic.js';
import type { GroupWire, OpenHow, TopicWire, WireListener } from './wires.js';

/** All ways from one topic to its stream, over one connection. */
export class NatsTopicWire implements TopicWire {
  readonly description: string;
  readonly duplicateWindowMs: number;
  readonly batchObstacle: string | undefined;
  readonly #settings: SettingsLook;
  #hasGroups = false;
  readonly #jetStream: JetStreamWatch;
  /** Undefined where histories are read message by message. */
  readonly #batches: BatchedGet | undefined;

  constructor(
    private readonly of: NatsTopic,
    request: StreamRequest,
    { config: stream, origin }: ProvisionedStream,
  ) {
    const { api } = of;
    const { nats, serverVersion, storingVersion, jetStream } = of.connection;
    const name = nats.info?.server_name ?? 'without a name';
    this.description =
      `connected to nats-server "${name}" ${serverVersion} at ${nats.getServer()}, ` +
      `stream "${stream.name}" ${origin}${jetStream.option === undefined ? '' : ` at ${jetStream.api}>`}`;
    this.#settings = new SettingsLook({ api, request, duplicateWindow: stream.duplicate_window });
    this.duplicateWindowMs = msOf(stream.duplicate_window);
    this.batchObstacle = batchObstacle(stream, storingVersion);
    this.#jetStream = new JetStreamWatch(of.connection, of.api, of.topic.name, of.clock);
    if (allowsBatchedGet(stream, storingVersion))
      this.#batches = new BatchedGet(of.connection, api, stream.name, of.clock);
  }

  get nats(): unknown {
    return this.of.connection.nats.raw;
  }

  get connected(): boolean {
    return this.of.connection.connected;
  }

  get closed(): boolean {
    return this.of.connection.nats.isClosed();
  }

  get closedWhy(): string | undefined {
    return this.of.connection.endedBy;
  }

  get jetStreamAway(): JetStreamAway | undefined {
    return this.#jetStream.away;
  }

  get maxPayloadBytes(): number {
    return this.of.connection.maxPayloadBytes;
  }

  listen(listener: WireListener): void {
    this.of.connection.listen(listener);
  }

  connectPublisher(listener: PublishListener): PublishPort {
    const { connection, api, topic } = this.of;
    return new PublishWire(connection, api, topic.name, listener);
  }

  lastOf(subject: string): Promise<StoredMessage | undefined> {
    return lastOf(this.of.api, this.of.topic.name, subject);
  }

  messagesOf(subject: string, fromSequence: number): AsyncIterable<StoredMessage> {
    const { api, topic } = this.of;
    return messagesOf(subjectMessages(api, topic.name, subject, this.#batches), fromSequence);
  }

  progress(): Promise<StreamState> {
    return streamStateOf(this.of.api, this.of.topic.name);
  }

  async openGroup(group: string, how?: OpenHow): Promise<GroupWire> {
    const opened = await openGroup(this.of, group, how);
    this.#hasGroups = true;
    return opened;
  }

  presencePort(group: string): PresencePort {
    return new PresenceWire(this.of, this.of.topic.name, group);
  }

  lookAt(question: GroupQuestion): Promise<GroupOnServer> {
    const { connection, api, topic, clock } = this.of;
    return new GroupLook({ connection, api, topic: topic.name, question, clock }).read();
  }

  settingDifferences(): Promise<readonly SettingDifference[]> {
    return this.#settings.read(this.#hasGroups);
  }

  get groups(): TopicGroups {
    return new TopicGroupsWire(this.of, this.of.topic.name, this.of.clock);
  }

  get operated(): TopicPorts {
    return new OperatedTopicWire(this.of, this.of.topic.name, this.of.clock);
  }

  parkedArchive(group: string): ParkedArchive {
    const { connection, api, topic, clock } = this.of;
    return new ParkedWire({ connection, api, clock, topic: topic.name, group, bits: '' });
  }

  aggregates(): AggregatePorts {
    const { connection, api, topic, clock } = this.of;
    return new AggregateWire({ connection, api, clock, topic: topic.name });
  }
}
