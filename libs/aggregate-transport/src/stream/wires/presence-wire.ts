import { hasCode } from '../../errors.js';
import type { MemberRecord, PresencePort, StoredMember } from '../../records/member-record.js';
import { LEASE_BUCKET, memberPlace, memberPrefix, streamOfBucket } from '../keys/key-places.js';
import { hearKeys, KEY_TIMEOUT_MS, storedValueOf, writeKey } from '../keys/kv.js';
import type { KeyAccess } from '../keys/partition-key.js';
import type { NatsSubscription } from '../port/nats-port.js';
import { findMessage } from '../api/stored-message.js';
import { subjectsOf } from '../api/subjects.js';

const STREAM = streamOfBucket(LEASE_BUCKET);

/** A key per replica of a group in the bucket of its leases: `member.<topic>.<group>.<name>`. */
export class PresenceWire implements PresencePort {
  readonly #prefix: string;
  #hints: NatsSubscription | undefined;

  constructor(
    private readonly access: KeyAccess,
    private readonly topic: string,
    private readonly group: string,
  ) {
    this.#prefix = memberPrefix(topic, group);
  }

  announce(record: MemberRecord, revision: number): Promise<number | undefined> {
    return writeKey(this.access.connection, this.#prefix + record.member, record, revision);
  }

  async list(): Promise<string[]> {
    const subjects = await subjectsOf(this.access.api, STREAM, `${this.#prefix}*`, KEY_TIMEOUT_MS);
    return [...subjects.keys()].map((subject) => subject.slice(this.#prefix.length));
  }

  async read(member: string): Promise<StoredMember> {
    const place = memberPlace(this.topic, this.group, member);
    const found = await findMessage(this.access.api, STREAM, { last_by_subj: place.subject }, KEY_TIMEOUT_MS);
    if (found === undefined) return { value: undefined, revision: 0 };
    try {
      const { value, revision } = storedValueOf<Partial<MemberRecord>>(found, place);
      return { value: value && recordOf(value), revision, writtenAt: Date.parse(found.time) };
    } catch (error) {
      // Not written by a replica: one key that cannot be read must not hide all others.
      if (hasCode(error, 'RECORD_INVALID')) return { value: undefined, revision: found.seq };
      throw error;
    }
  }

  async remove(member: string, revision: number): Promise<void> {
    // Removes what is below the sequence. A key keeps one value, so a later one stays; and a tombstone, which would
    // stay for ever, is not needed.
    await this.access.api.request(
      `STREAM.PURGE.${STREAM}`,
      { filter: this.#prefix + member, seq: revision + 1 },
      KEY_TIMEOUT_MS,
    );
  }

  onHint(callback: (record: MemberRecord) => void): void {
    this.#hints = hearKeys(this.access.connection, `${this.#prefix}*`, (record) => {
      if (record !== undefined) callback(recordOf(record));
    });
  }

  close(): void {
    this.#hints?.unsubscribe();
    this.#hints = undefined;
  }
}

/** Releases without sessions write no term. */
function recordOf(value: Partial<MemberRecord>): MemberRecord {
  return { term: 0, ...value } as MemberRecord;
}
