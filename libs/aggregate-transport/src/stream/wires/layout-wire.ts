import { type GroupLayout, readLayout } from '../../records/group-record.js';
import type { KeyPort, StoredValue } from '../../records/key-port.js';
import { partitionFilter } from '../../message/partitioning.js';
import { consumerNameOf } from '../api/configuration.js';
import type { Connection } from '../api/connection.js';
import { BUCKET, groupKey } from '../groups/group-bucket.js';
import { API_ERROR, type JetStreamApi } from '../api/jetstream-api.js';
import { KeyStore, partitionKey } from '../api/partition-key.js';
import { findMessage } from './stored-message.js';

export interface RepartitionWireOptions {
  readonly connection: Connection;
  readonly api: JetStreamApi;
  readonly topic: string;
  readonly group: string;
}

const TIMEOUT_MS = 2_000;

interface StreamInfo {
  created: string;
  state: { last_seq: number };
}

/** What all replicas of a group follow: the key that says how its events are divided. */
export class LayoutKey implements KeyPort<GroupLayout> {
  readonly #store: KeyStore<GroupLayout>;
  readonly #key: string;

  constructor({ connection, api, topic, group }: RepartitionWireOptions) {
    this.#key = groupKey(topic, group);
    this.#store = new KeyStore(connection, api, this.#key);
  }

  async read(): Promise<StoredValue<GroupLayout> | undefined> {
    const found = await this.#store.read(TIMEOUT_MS);
    if (found === undefined) return undefined;
    return { ...found, value: readLayout(found.value, `record "${this.#key}" of bucket "${BUCKET}"`) };
  }

  write(value: GroupLayout, revision: number): Promise<number | undefined> {
    return this.#store.write(value, revision);
  }

  onHint(callback: (value: GroupLayout) => void): void {
    this.#store.onHint(callback);
  }

  close(): void {
    this.#store.close();
  }
}

/** What a change of a group's layout needs of NATS. `Lease` and `Suspects` are what its keys hold. */
export class RepartitionWire<Lease, Suspects> {
  readonly layout: LayoutKey;

  constructor(private readonly options: RepartitionWireOptions) {
    this.layout = new LayoutKey(options);
  }

  lease(partitions: number, partition: number): KeyPort<Lease> {
    return this.#key('lease', partitions, partition);
  }

  suspects(partitions: number, partition: number): KeyPort<Suspects> {
    return this.#key('suspects', partitions, partition);
  }

  async firstBehind(partitions: number, partition: number, sequence: number): Promise<number> {
    const { api, topic } = this.options;
    // Read first: whatever is stored later lies behind it.
    const { state } = await this.#stream();
    const filter = partitionFilter(topic, partition, partitions);
    const found = await findMessage(api, topic, { seq: sequence + 1, next_by_subj: filter }, TIMEOUT_MS);
    return found?.seq ?? Math.max(sequence, state.last_seq) + 1;
  }

  async streamCreated(): Promise<string> {
    return (await this.#stream()).created;
  }

  async removeConsumer(partitions: number, partition: number, generation: number): Promise<void> {
    const { api, topic, group } = this.options;
    const name = consumerNameOf({ topic, group, partition, partitions }, generation);
    await api.find(`CONSUMER.DELETE.${topic}.${name}`, undefined, API_ERROR.consumerNotFound);
  }

  #stream(): Promise<StreamInfo> {
    return this.options.api.request<StreamInfo>(`STREAM.INFO.${this.options.topic}`, undefined, TIMEOUT_MS);
  }

  #key<T>(what: 'lease' | 'suspects', partitions: number, partition: number): KeyStore<T> {
    const { connection, api, topic, group } = this.options;
    return new KeyStore<T>(connection, api, partitionKey(what, { topic, group, partition, partitions }));
  }
}
