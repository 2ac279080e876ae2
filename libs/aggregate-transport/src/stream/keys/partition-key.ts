import { isSabotaged } from '#sabotage';
import type { KeyPort, StoredValue } from '../../records/key-port.js';
import type { Connection } from '../connection/connection.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import type { NatsSubscription } from '../port/nats-port.js';
import type { KeyPlace } from './key-places.js';
import { hearKeys, KEY_TIMEOUT_MS, maxValueBytes, readKey, writeKey } from './kv.js';

/** What every key of a partition or group is reached through. */
export interface KeyAccess {
  readonly connection: Connection;
  readonly api: JetStreamApi;
}

/**
 * One key of a partition as JSON, on the connection its partition reads events over. When that connection fails, the
 * renewals of its lease and the commits of its position fail with it.
 */
export class PartitionKey<T> implements KeyPort<T> {
  #hints: NatsSubscription | undefined;

  constructor(
    private readonly access: KeyAccess,
    private readonly place: KeyPlace,
    private readonly timeoutMs = KEY_TIMEOUT_MS,
  ) {}

  get maxBytes(): number {
    return maxValueBytes(this.access.connection);
  }

  read(): Promise<StoredValue<T>> {
    return readKey<T>(this.access.api, this.place, this.timeoutMs);
  }

  write(value: T, revision: number): Promise<number | undefined> {
    const { subject, comparedBy } = this.place;
    const isCompared = comparedBy === undefined || !isSabotaged(comparedBy);
    return writeKey(this.access.connection, subject, value, isCompared ? revision : undefined);
  }

  onHint(callback: (value: T | undefined) => void): void {
    this.#hints = hearKeys(this.access.connection, this.place.subject, (value) =>
      callback(value as T | undefined),
    );
  }

  close(): void {
    this.#hints?.unsubscribe();
    this.#hints = undefined;
  }
}
