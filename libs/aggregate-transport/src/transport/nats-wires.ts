import type { ConnectionOptions } from 'nats';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import { Connection } from '../stream/api/connection.js';
import { JetStreamApi } from '../stream/api/jetstream-api.js';
import { findStream, provisionStream } from '../stream/api/provision.js';
import { untilAnswered } from '../stream/api/until-answered.js';
import { NatsTopicWire } from './nats-topic-wire.js';
import type { ResolvedTopic } from './resolve-options.js';
import type { TopicWire, TopicWires } from './wires.js';

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

  /** @throws STREAM_MISSING, STREAM_MISMATCH, CONNECTION_FAILED, JETSTREAM_REQUEST_FAILED */
  async open(topic: ResolvedTopic): Promise<TopicWire> {
    const { clock, log } = this.options;
    const connection = await this.#connect(topic.name);
    const api = new JetStreamApi(connection);
    const request = {
      topic: topic.name,
      provision: topic.provision,
      options: topic.stream,
      explicit: topic.explicitStream,
      serverVersion: connection.serverVersion,
    };
    // While another replica makes the stream, a cluster does not answer for it.
    const before = await untilAnswered(clock, () => findStream(api, topic.name));
    const stream = await untilAnswered(clock, () => provisionStream(api, request));
    const origin = before === undefined ? 'made' : 'found';
    return new NatsTopicWire({ connection, api, topic, clock, log }, stream, origin);
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
