import type { Clock } from '../../clock.js';
import { HEADER } from '../../message/headers.js';
import type { StoredMessage } from '../../message/stored-event.js';
import { streamSubjectOf, subjectOf } from '../../message/subject.js';
import { allowsBatchedGet, BatchedGet } from '../api/batched-get.js';
import { AggregateTransportError } from '../../errors.js';
import type { StreamConfig, StreamInfo, WantedStream } from '../api/api-types.js';
import { LAYOUT_KEY } from '../api/configuration.js';
import { createStream, findStream, rulesOfAnyTopic } from '../api/provision.js';
import { requireSettings } from '../api/stream-settings.js';
import { hasAtomicBatches } from '../wires/atomic-batches.js';
import { publishConfirmed, UnconfirmedError } from '../api/confirmed-publish.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import type { Connection } from '../connection/connection.js';
import { lastOf, messagesOf, subjectMessages } from '../wires/history.js';

export interface TopicCopyWireOptions {
  readonly connection: Connection;
  readonly api: JetStreamApi;
  readonly clock: Clock;
  readonly topic: string;
  /** The topic's stream, as it was found. */
  readonly stream: Pick<StreamInfo, 'config' | 'created'>;
}

/** What a stream holds. */
interface StreamContent {
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
}

type Stored =
  | { readonly kind: 'stored'; readonly sequence: number; readonly duplicate: boolean }
  | { readonly kind: 'moved' }
  | { readonly kind: 'refused'; readonly reason: string };

interface EventToStore {
  readonly token: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** A topic that is copied, or copied to, over a NATS connection. */
class TopicCopyWire {
  readonly topic: string;
  readonly created: string;
  readonly #batches: BatchedGet | undefined;

  constructor(private readonly options: TopicCopyWireOptions) {
    const { connection, api, clock, topic, stream } = options;
    this.topic = topic;
    this.created = stream.created;
    if (allowsBatchedGet(stream.config, connection.serverVersion))
      this.#batches = new BatchedGet(connection, api, topic, clock);
  }

  /** @throws JETSTREAM_REQUEST_FAILED */
  readonly state = async (): Promise<StreamContent> => {
    const { state } = await this.options.api.request<StreamInfo>(`STREAM.INFO.${this.topic}`);
    const { first_seq: firstSequence, last_seq: lastSequence, messages, bytes } = state;
    return { firstSequence, lastSequence, messages, bytes };
  };

  readonly events = (fromSequence: number): AsyncIterable<StoredMessage> =>
    this.#messages(streamSubjectOf(this.topic), fromSequence);

  readonly last = (token: string): Promise<StoredMessage | undefined> =>
    lastOf(this.options.api, this.topic, subjectOf(this.topic, token));

  readonly history = (token: string): AsyncIterable<StoredMessage> =>
    this.#messages(subjectOf(this.topic, token), 1);

  readonly store = async (
    { token, headers, body }: EventToStore,
    after: number | undefined,
  ): Promise<Stored> => {
    const { connection } = this.options;
    const block = new Map(Object.entries(headers));
    if (after !== undefined) block.set(HEADER.expectedLastSubjectSequence, String(after));
    const size = body.length + Buffer.byteLength(Object.entries(headers).flat().join('....'), 'utf8');
    // A message over the limit would end the connection.
    if (size >= connection.maxPayloadBytes)
      return {
        kind: 'refused',
        reason: `${size} bytes, max_payload of the server is ${connection.maxPayloadBytes}`,
      };
    const subject = subjectOf(this.topic, token);
    const answer = await publishConfirmed(connection, subject, body, block);
    if (answer.kind === 'stored') return answer;
    if (answer.kind === 'unavailable') throw new UnconfirmedError(subject, answer.description, true);
    return answer.wrongSequence ? { kind: 'moved' } : { kind: 'refused', reason: answer.description };
  };

  #messages(subject: string, from: number): AsyncIterable<StoredMessage> {
    return messagesOf(subjectMessages(this.options.api, this.topic, subject, this.#batches), from);
  }
}

type OpenOptions = Omit<TopicCopyWireOptions, 'stream'>;

/** A topic to copy, and its stream. */
export interface OpenedTopic {
  readonly wire: TopicCopyWire;
  readonly stream: StreamInfo;
}

/**
 * A topic that is there.
 * @throws STREAM_MISSING, STREAM_MISMATCH if its stream is none of a topic, JETSTREAM_REQUEST_FAILED
 */
export async function openTopic(options: OpenOptions): Promise<OpenedTopic> {
  const { api, topic } = options;
  const stream = await findStream(api, topic);
  if (stream === undefined) {
    throw new AggregateTransportError(
      'STREAM_MISSING',
      `expected a stream "${topic}" for the topic, found none; check the name and the server`,
    );
  }
  requireSettings(stream.config, rulesOfAnyTopic(topic));
  return { wire: new TopicCopyWire({ ...options, stream }), stream };
}

/**
 * The topic that events are copied to. If it is missing it is made with the settings of the one they come from; with
 * `dryRun` nothing is made, and undefined says so.
 * @throws STREAM_MISMATCH, JETSTREAM_REQUEST_FAILED
 */
export async function openCopy(
  options: OpenOptions,
  { like, dryRun }: { readonly like: StreamInfo; readonly dryRun: boolean },
): Promise<OpenedTopic | undefined> {
  const { api, topic, connection } = options;
  if ((await findStream(api, topic)) === undefined) {
    if (dryRun) return undefined;
    await createStream(api, copiedConfig(like.config, topic, connection.serverVersion));
  }
  return openTopic(options);
}

/** What a topic's options decide, as its stream has it. */
function copiedConfig(config: StreamConfig, topic: string, serverVersion: string): WantedStream {
  const { retention, storage, max_bytes, max_msgs, max_age, num_replicas, duplicate_window, discard } =
    config;
  const { allow_direct, metadata = {} } = config;
  return {
    ...{
      retention,
      storage,
      max_bytes,
      max_msgs,
      max_age,
      num_replicas,
      duplicate_window,
      discard,
      allow_direct,
    },
    name: topic,
    subjects: [streamSubjectOf(topic)],
    metadata: { [LAYOUT_KEY]: metadata[LAYOUT_KEY] ?? '' },
    ...(hasAtomicBatches(serverVersion) ? { allow_atomic: true } : {}),
  };
}
