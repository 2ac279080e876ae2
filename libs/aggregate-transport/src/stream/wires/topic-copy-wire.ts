import { headers as createHeaders } from 'nats';
import type { Clock } from '../../clock.js';
import { HEADER } from '../../message/headers.js';
import type { StoredMessage } from '../../message/stored-event.js';
import { streamSubjectOf, subjectOf } from '../../message/subject.js';
import { allowsBatchedGet, BatchedGet } from '../api/batched-get.js';
import type { StreamInfo } from '../api/api-types.js';
import { publishConfirmed, UnconfirmedError } from '../api/confirmed-publish.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import type { Connection } from '../connection/connection.js';
import { lastOf, messagesOf, subjectMessages } from './history.js';

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
export class TopicCopyWire {
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
    const block = createHeaders();
    for (const [name, value] of Object.entries(headers)) block.set(name, value);
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
