import type { NatsConnection } from 'nats';
import type { StoredMessage } from '../message/stored-event.js';
import type { ParkedArchive } from '../parking/parked-port.js';
import type { PublishListener, PublishPort } from '../publisher/publish-port.js';
import type { GroupOnServer, GroupQuestion } from '../records/group-on-server.js';
import type { PresencePort } from '../records/member-record.js';
import type { StreamConfig } from '../stream/api/api-types.js';
import { type JetStreamAway, JetStreamWatch } from '../stream/api/jetstream-watch.js';
import { msOf } from '../stream/api/time.js';
import { GroupLook } from '../stream/groups/group-status.js';
import { batchObstacle } from '../stream/wires/atomic-batches.js';
import { messagesOf } from '../stream/wires/history.js';
import { ParkedWire } from '../stream/wires/parked-wire.js';
import { PresenceWire } from '../stream/wires/presence-wire.js';
import { PublishWire } from '../stream/wires/publish-wire.js';
import { openGroup } from './nats-group-wire.js';
import type { NatsTopic } from './nats-topic.js';
import type { GroupWire, TopicWire, WireListener } from './wires.js';

/** All ways from one topic to its stream, over one connection. */
export class NatsTopicWire implements TopicWire {
  readonly duplicateWindowMs: number;
  readonly batchObstacle: string | undefined;
  readonly #jetStream: JetStreamWatch;

  constructor(
    private readonly of: NatsTopic,
    stream: StreamConfig,
  ) {
    this.duplicateWindowMs = msOf(stream.duplicate_window);
    this.batchObstacle = batchObstacle(stream, of.connection.serverVersion);
    this.#jetStream = new JetStreamWatch(of.connection, of.api, of.topic.name, of.clock);
  }

  get nats(): NatsConnection {
    return this.of.connection.nats;
  }

  get connected(): boolean {
    return this.of.connection.connected;
  }

  get closed(): boolean {
    return this.nats.isClosed();
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

  messagesOf(subject: string, fromSequence: number): AsyncIterable<StoredMessage> {
    return messagesOf(this.of.api, this.of.topic.name, subject, fromSequence);
  }

  openGroup(group: string): Promise<GroupWire> {
    return openGroup(this.of, group);
  }

  presencePort(group: string): PresencePort {
    return new PresenceWire(this.of, this.of.topic.name, group);
  }

  lookAt(question: GroupQuestion): Promise<GroupOnServer> {
    const { connection, api, topic, clock } = this.of;
    return new GroupLook({ connection, api, topic: topic.name, question, clock }).read();
  }

  parkedArchive(group: string): ParkedArchive {
    const { connection, api, topic } = this.of;
    return new ParkedWire({ connection, api, topic: topic.name, group, bits: '' });
  }
}
