import type { StoredValue } from '../../records/key-port.js';
import type { PresencePort, MemberRecord } from '../../records/member-record.js';

/** The replicas of a group in memory, shared by all that connect to it. */
export class MemoryPresence {
  #revision = 0;
  readonly #records = new Map<string, StoredValue<MemberRecord>>();
  readonly #hints = new Set<(record: MemberRecord) => void>();

  /** The records there are. */
  get size(): number {
    return this.#records.size;
  }

  connect(): PresencePort {
    let own: ((record: MemberRecord) => void) | undefined;
    return {
      announce: (record) => {
        this.#records.set(record.member, { value: record, revision: ++this.#revision });
        for (const hint of this.#hints) hint(record);
        return Promise.resolve(this.#revision);
      },
      list: () => Promise.resolve([...this.#records.keys()]),
      read: (member) => Promise.resolve(this.#records.get(member)),
      remove: (member, revision) => {
        if (this.#records.get(member)?.revision === revision) this.#records.delete(member);
        return Promise.resolve();
      },
      onHint: (callback) => {
        own = callback;
        this.#hints.add(callback);
      },
      close: () => {
        if (own !== undefined) this.#hints.delete(own);
      },
    };
  }
}
