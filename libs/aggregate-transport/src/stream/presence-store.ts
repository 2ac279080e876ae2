import type { Subscription } from 'nats';
import type { StoredValue } from '../message/key-port.js';
import type { PresencePort, PresenceRecord } from '../message/presence-port.js';
import type { Connection } from './connection.js';
import { BUCKET } from './group-record.js';
import type { JetStreamApi } from './jetstream-api.js';
import { hearKeys, putKey, readKey } from './key-value.js';

const TIMEOUT_MS = 500;

/** A key per replica of a group in the bucket of its leases: `member.<topic>.<group>.<name>`. */
export class PresenceStore implements PresencePort {
  readonly #prefix: string;
  #hints: Subscription | undefined;

  constructor(
    private readonly connection: Connection,
    private readonly api: JetStreamApi,
    topic: string,
    group: string,
  ) {
    this.#prefix = `$KV.${BUCKET}.member.${topic}.${group}.`;
  }

  announce(record: PresenceRecord): Promise<number> {
    return putKey(this.connection, this.#prefix + record.member, record);
  }

  async list(): Promise<string[]> {
    const info = await this.api.request<{ state: { subjects?: Record<string, number> } }>(
      `STREAM.INFO.KV_${BUCKET}`,
      { subjects_filter: `${this.#prefix}*` },
      TIMEOUT_MS,
    );
    return Object.keys(info.state.subjects ?? {}).map((subject) => subject.slice(this.#prefix.length));
  }

  read(member: string): Promise<StoredValue<PresenceRecord> | undefined> {
    return readKey(this.api, BUCKET, this.#prefix + member, TIMEOUT_MS);
  }

  async remove(member: string, revision: number): Promise<void> {
    // Removes what is below the sequence. A key keeps one value, so a later one stays; and a tombstone, which would
    // stay for ever, is not needed.
    await this.api.request(
      `STREAM.PURGE.KV_${BUCKET}`,
      { filter: this.#prefix + member, seq: revision + 1 },
      TIMEOUT_MS,
    );
  }

  onHint(callback: (record: PresenceRecord) => void): void {
    this.#hints = hearKeys(this.connection.nats, `${this.#prefix}*`, (record) =>
      callback(record as PresenceRecord),
    );
  }

  close(): void {
    if (!this.connection.nats.isClosed()) this.#hints?.unsubscribe();
  }
}
