import type { Subscription } from 'nats';
import type { KeyPort, StoredValue } from '../../records/key-port.js';
import type { PartitionAddress } from './configuration.js';
import type { Connection } from './connection.js';
import { BUCKET } from '../groups/group-bucket.js';
import type { JetStreamApi } from './jetstream-api.js';
import { hearKeys, readKey, writeKey } from './kv.js';

/** Reads and writes alike: a lease that waits longer for one answer has no time for a second try. */
const TIMEOUT_MS = 500;

/** The key of what one partition keeps: its lease, or its suspects. */
export function partitionKey(what: 'lease' | 'suspects', address: PartitionAddress): string {
  const { topic, group, partition, partitions } = address;
  return `${what}.${topic}.${group}.${partitions}.${partition}`;
}

/**
 * A key of the key-value bucket as JSON, on the connection its partition pulls and acks over: when that
 * connection fails, the renewals of its lease fail with it. Reads go to the stream's leader; a direct get may
 * be answered by a follower that lags.
 */
export class KeyStore<T> implements KeyPort<T> {
  readonly #subject: string;
  #hints: Subscription | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly api: JetStreamApi,
    key: string,
  ) {
    this.#subject = `$KV.${BUCKET}.${key}`;
  }

  /** A start-up may wait longer than a lease. */
  async read(timeoutMs = TIMEOUT_MS): Promise<StoredValue<T> | undefined> {
    return readKey(this.api, BUCKET, this.#subject, timeoutMs);
  }

  async write(value: T, revision: number): Promise<number | undefined> {
    return writeKey(this.connection, this.#subject, value, revision);
  }

  onHint(callback: (value: T) => void): void {
    this.#hints = hearKeys(this.connection.nats, this.#subject, (value) => callback(value as T));
  }

  close(): void {
    if (!this.connection.nats.isClosed()) this.#hints?.unsubscribe();
  }
}
