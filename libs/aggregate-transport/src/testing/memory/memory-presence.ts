import type { StoredValue } from '../../records/key-port.js';
import type { MemberRecord, PresencePort } from '../../records/member-record.js';

const NONE: StoredValue<MemberRecord> = { value: undefined, revision: 0 };

/** The replicas of a group in memory, shared by all that connect to it. */
export class MemoryPresence {
  #revision = 0;
  readonly #records = new Map<string, StoredValue<MemberRecord>>();
  readonly #hints = new Set<(record: MemberRecord) => void>();

  /** How many records there are. */
  get size(): number {
    return this.#records.size;
  }

  connect(): PresencePort {
    const own = new Set<(record: MemberRecord) => void>();
    return {
      announce: (record) => {
        this.#records.set(record.member, { value: structuredClone(record), revision: ++this.#revision });
        for (const hint of this.#hints) hint(structuredClone(record));
        return Promise.resolve(this.#revision);
      },
      list: () => Promise.resolve([...this.#records.keys()]),
      read: (member) => Promise.resolve(structuredClone(this.#records.get(member) ?? NONE)),
      remove: (member, revision) => {
        if (this.#records.get(member)?.revision === revision) this.#records.delete(member);
        return Promise.resolve();
      },
      onHint: (callback) => {
        own.add(callback);
        this.#hints.add(callback);
      },
      close: () => {
        for (const hint of own) this.#hints.delete(hint);
        own.clear();
      },
    };
  }
}
