import { AggregateTransportError, describeError } from '../../errors.js';
import type { LogAt } from '../../log.js';
import { Delivery } from '../../message/delivery.js';
import { partitionFilter } from '../../message/partitioning.js';
import { subjectOf } from '../../message/subject.js';
import type {
  Feed,
  FeedListener,
  ReaderConnectionListener,
  ReaderPort,
  ReaderRequest,
  StreamState,
} from '../../message/reader-port.js';
import type { PartitionAddress } from '../../records/partition-address.js';
import type { ConnectionListener } from '../connection/connection.js';
import { API_ERROR, JetStreamApiError } from '../api/jetstream-api.js';
import type { KeyAccess } from '../keys/partition-key.js';
import { purgedBetween } from '../keys/purged-events.js';
import { findMessage } from '../api/stored-message.js';
import { streamStateOf } from '../api/stream-state.js';
import { createReader } from './create-reader.js';
import { FetchedEvent } from './event-origin.js';
import { ReaderFeed } from './reader-feed.js';

export interface ReaderWireOptions extends KeyAccess {
  readonly address: PartitionAddress;
  /** Pull requests that may wait at the server. */
  readonly maxWaiting: number;
  readonly log: LogAt<'partition'>;
}

const OPEN_TIMEOUT_MS = 1_000;
const STATE_TIMEOUT_MS = 500;
const FIND_TIMEOUT_MS = 1_000;

/** What an operator does about a reader that the server refuses. */
const REMEDIES: Readonly<Record<number, string>> = {
  [API_ERROR.tooManyConsumers]:
    'the stream or the account takes no more consumers: raise max_consumers (or default_max_consumers)',
  [API_ERROR.consumerExists]: 'a reader of that name exists: it will be made under another name',
  [API_ERROR.consumerNameInUse]: 'a reader of that name exists: it will be made under another name',
  [API_ERROR.streamNotFound]: 'restore the stream',
};

/** A partition's ways to its topic's stream over a NATS connection. */
export class ReaderWire implements ReaderPort, ConnectionListener {
  readonly #feeds = new Set<ReaderFeed>();
  #isClosed = false;

  constructor(
    private readonly options: ReaderWireOptions,
    private readonly listener: ReaderConnectionListener,
  ) {
    options.connection.listen(this);
  }

  get connected(): boolean {
    return this.options.connection.connected;
  }

  disconnected(): void {
    this.listener.disconnected();
  }

  reconnected(): void {
    this.listener.reconnected();
  }

  async open({ name, fromSequence }: ReaderRequest, listener: FeedListener): Promise<Feed> {
    const { connection, api, address, maxWaiting, log } = this.options;
    const { topic, partition, partitions } = address;
    this.#requireOpen(name);
    if (!connection.connected) throw openError(name, 'no connection', 'make another when it is back');
    const feed = new ReaderFeed({ connection, api, stream: topic, reader: name, listener, log });
    try {
      const filter = partitionFilter(topic, partition, partitions);
      const made = await createReader(
        { connection, api },
        { stream: topic, name, filter, fromSequence, maxWaiting, timeoutMs: OPEN_TIMEOUT_MS },
      );
      feed.noteMade(made);
      this.#requireOpen(name);
    } catch (error) {
      // The server may have made it nevertheless.
      feed.close();
      throw explained(name, error);
    }
    for (const earlier of this.#feeds) if (earlier.isClosed) this.#feeds.delete(earlier);
    this.#feeds.add(feed);
    return feed;
  }

  stream(): Promise<StreamState> {
    return streamStateOf(this.options.api, this.options.address.topic, STATE_TIMEOUT_MS);
  }

  async find(sequence: number): Promise<Delivery | undefined> {
    const { api, address } = this.options;
    const found = await findMessage(api, address.topic, { seq: sequence }, FIND_TIMEOUT_MS);
    return found === undefined ? undefined : new Delivery(new FetchedEvent(found));
  }

  async next(token: string, fromSequence: number): Promise<Delivery | undefined> {
    const { api, address } = this.options;
    const question = { seq: fromSequence, next_by_subj: subjectOf(address.topic, token) };
    const found = await findMessage(api, address.topic, question, FIND_TIMEOUT_MS);
    return found === undefined ? undefined : new Delivery(new FetchedEvent(found));
  }

  async countPurged(after: number, before: number): Promise<number> {
    const { api, address } = this.options;
    const { created } = await this.stream();
    const purged = await purgedBetween(api, { topic: address.topic, created }, { after, before });
    return purged.length;
  }

  close(): void {
    this.#isClosed = true;
    this.options.connection.forget(this);
    for (const feed of this.#feeds) feed.close();
    this.#feeds.clear();
  }

  #requireOpen(name: string): void {
    if (this.#isClosed) throw openError(name, 'that its partition has closed', 'make none');
  }
}

function explained(name: string, error: unknown): unknown {
  const remedy = error instanceof JetStreamApiError ? REMEDIES[error.errorCode] : undefined;
  return remedy === undefined ? error : openError(name, describeError(error), remedy, error);
}

function openError(name: string, found: string, remedy: string, cause?: unknown): AggregateTransportError {
  return new AggregateTransportError(
    'JETSTREAM_REQUEST_FAILED',
    `expected the server to make reader "${name}", found ${found}; ${remedy}`,
    cause === undefined ? undefined : { cause },
  );
}
