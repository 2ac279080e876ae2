import type { Subscription } from 'nats';
import type { StoredValue } from '../../records/key-port.js';
import type { PresencePort, MemberRecord } from '../../records/member-record.js';
import type { Connection } from '../api/connection.js';
import { BUCKET } from '../groups/group-bucket.js';
import type { JetStreamApi } from '../api/jetstream-api.js';
import { hearKeys, putKey, readKey } from '../api/kv.js';

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

  announce(record: MemberRecord): Promise<number> {
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

  read(member: string): Promise<StoredValue<MemberRecord> | undefined> {
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

  onHint(callback: (record: MemberRecord) => void): void {
    this.#hints = hearKeys(this.connection.nats, `${this.#prefix}*`, (record) =>
      callback(record as MemberRecord),
    );
  }

  close(): void {
    if (!this.connection.nats.isClosed()) this.#hints?.unsubscribe();
  }
}
