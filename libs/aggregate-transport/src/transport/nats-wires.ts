import type { Clock } from '../clock.js';
import { type Log, logAt } from '../log.js';
import { subjectOf } from '../message/subject.js';
import type { NatsConnectionSource } from '../stream/clients/client-options.js';
import { isOpenConnection } from '../stream/clients/open-connection.js';
import { Connection } from '../stream/connection/connection.js';
import { type JetStreamPlace, OWN_JETSTREAM } from '../stream/connection/jetstream-place.js';
import { ATOMIC_BATCHES_SINCE } from '../stream/connection/server-version.js';
import { JetStreamApi } from '../stream/api/jetstream-api.js';
import { provisionStream, type StreamRequest } from '../stream/api/provision.js';
import { requireReached } from '../stream/api/reach.js';
import { untilAnswered } from '../stream/api/until-answered.js';
import type { NatsClientName } from '../stream/port/nats-port.js';
import { NatsTopicWire } from './nats-topic-wire.js';
import type { ResolvedTopic } from './resolve-options.js';
import type { TopicWire, TopicWires } from './wires.js';

export interface NatsWiresOptions {
  readonly client: NatsClientName | undefined;
  readonly connection: NatsConnectionSource;
  readonly connectionMode: 'perTopic' | 'shared';
  readonly jetStream?: JetStreamPlace;
  readonly clock: Clock;
  readonly log: Log;
}

/** Where a stream's settings name the version of the server that keeps it; since 2.11. */
const VERSION_KEY = '_nats.ver';

/** Nothing is ever stored for it. */
const PROBED_AGGREGATE = 'reach';

/** A server that stores elsewhere is not known before it has a stream. An older one ignores what it does not know. */
function creatingVersion({ jetStream, serverVersion }: Connection): string {
  return jetStream.option === undefined ? serverVersion : ATOMIC_BATCHES_SINCE.join('.');
}

/** A connection, and how many topics are open on it or are being opened. */
interface SharedConnection {
  readonly opening: Promise<Connection>;
  users: number;
}

/** The ways of all topics over NATS: one connection for each, or one for all. */
export class NatsWires implements TopicWires {
  readonly #connections = new Map<string, SharedConnection>();

  constructor(private readonly options: NatsWiresOptions) {}

  /**
   * A topic that cannot be opened leaves no connection behind, unless another topic uses it.
   * @throws STREAM_MISSING, STREAM_MISMATCH, CONNECTION_FAILED, JETSTREAM_REQUEST_FAILED
   */
  async open(topic: ResolvedTopic, signal?: AbortSignal): Promise<TopicWire> {
    const { connection, connectionMode } = this.options;
    // A connection that was given is there once.
    const isShared = connectionMode === 'shared' || isOpenConnection(connection);
    const name = isShared ? 'aggregate-transport' : `aggregate-transport:${topic.name}`;
    const shared = this.#connections.get(name) ?? this.#connect(name, signal);
    shared.users++;
    try {
      return await this.#provision(topic, await shared.opening, signal);
    } catch (error) {
      if (--shared.users === 0) await this.#leave(name, shared);
      throw error;
    }
  }

  async close(): Promise<void> {
    const connections = await Promise.allSettled(
      [...this.#connections.values()].map(({ opening }) => opening),
    );
    for (const result of connections) if (result.status === 'fulfilled') await result.value.close();
  }

  async #provision(
    topic: ResolvedTopic,
    connection: Connection,
    signal: AbortSignal | undefined,
  ): Promise<TopicWire> {
    const { clock, log } = this.options;
    const api = new JetStreamApi(connection);
    const request: StreamRequest = {
      topic: topic.name,
      provision: topic.provision,
      options: topic.stream,
      explicit: topic.explicitStream,
      serverVersion: creatingVersion(connection),
    };
    // While another replica makes the stream, a cluster does not answer for it.
    const stream = await untilAnswered(clock, () => provisionStream(api, request), signal);
    connection.noteStoringVersion(stream.config.metadata?.[VERSION_KEY]);
    const subject = subjectOf(topic.name, PROBED_AGGREGATE);
    await requireReached(connection, clock, { stream: topic.name, subject });
    return new NatsTopicWire({ connection, api, topic, clock, log }, request, stream);
  }

  #connect(name: string, signal: AbortSignal | undefined): SharedConnection {
    const { client, connection, jetStream = OWN_JETSTREAM, clock, log } = this.options;
    const placed = logAt<'connection'>(log, { connection: name });
    const opening = Connection.open(connection, name, placed, { client, jetStream, signal, clock });
    const shared = { opening, users: 0 };
    this.#connections.set(name, shared);
    return shared;
  }

  async #leave(name: string, shared: SharedConnection): Promise<void> {
    this.#connections.delete(name);
    const connection = await shared.opening.catch(() => undefined);
    await connection?.close();
  }
}
