import { hasCode } from '../../errors.js';
import { type GroupRecord, readGroupRecord } from '../../records/group-record.js';
import type { KeyPort, StoredValue } from '../../records/key-port.js';
import { groupPlace, type KeyPlace } from '../keys/key-places.js';
import { type KeyAccess, PartitionKey } from '../keys/partition-key.js';

/** The key of the record that all replicas of a group follow: `group.<group>` in the topic's positions. */
export class GroupRecordKey implements KeyPort<GroupRecord> {
  readonly #key: PartitionKey<GroupRecord>;
  readonly #place: KeyPlace;

  constructor(access: KeyAccess, topic: string, group: string, timeoutMs?: number) {
    this.#place = groupPlace(topic, group);
    this.#key = new PartitionKey(access, this.#place, timeoutMs);
  }

  get maxBytes(): number {
    return this.#key.maxBytes;
  }

  /** @throws RECORD_INVALID, JETSTREAM_REQUEST_FAILED */
  async read(): Promise<StoredValue<GroupRecord>> {
    const { value, revision } = await this.#key.read();
    return { value: value === undefined ? undefined : this.#checked(value), revision };
  }

  write(value: GroupRecord, revision: number): Promise<number | undefined> {
    return this.#key.write(value, revision);
  }

  onHint(callback: (value: GroupRecord) => void): void {
    this.#key.onHint((value) => {
      if (value === undefined) return;
      try {
        callback(this.#checked(value));
      } catch (error) {
        // The next read reports it.
        if (!hasCode(error, 'RECORD_INVALID')) throw error;
      }
    });
  }

  close(): void {
    this.#key.close();
  }

  #checked(value: Partial<GroupRecord>): GroupRecord {
    return readGroupRecord(value, `key "${this.#place.subject}" of stream "${this.#place.stream}"`);
  }
}
