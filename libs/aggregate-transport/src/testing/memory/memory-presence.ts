import { type Clock, systemClock } from '../../clock.js';
import type { StoredValue } from '../../records/key-port.js';
import type { MemberRecord, PresencePort } from '../../records/member-record.js';

const NONE: StoredValue<MemberRecord> = { value: undefined, revision: 0 };

/** The replicas of a group in memory, shared by all that connect to it. */
export class MemoryPresence {
  #revision = 0;
  readonly #writtenAt = new Map<string, number>();
  readonly #records = new Map<string, StoredValue<MemberRecord>>();
  readonly #hints = new Set<(record: MemberRecord) => void>();

  constructor(private readonly clock: Clock = systemClock) {}

  /** When a member's record was last written, by the wall clock; 0 if it never was. */
  writtenAt(member: string): number {
    return this.#writtenAt.get(member) ?? 0;
  }

  /** How many records there are. */
  get size(): number {
    return this.#records.size;
  }

  /** What is stored of a member at this moment, without a request. */
  stored(member: string): StoredValue<MemberRecord> {
    return structuredClone(this.#records.get(member) ?? NONE);
  }

  /** What a server holds that does not hear of later writes. */
  copy(): MemoryPresence {
    const made = new MemoryPresence(this.clock);
    for (const [member, stored] of this.#records) made.#records.set(member, structuredClone(stored));
    return made;
  }

  /** An operator removes a record. */
  purge(member: string): void {
    this.#records.delete(member);
  }

  connect(): PresencePort {
    const own = new Set<(record: MemberRecord) => void>();
    return {
      announce: (record, revision) => {
        // A server announces a write to its listeners before it compares revisions.
        for (const hint of this.#hints) hint(structuredClone(record));
        if ((this.#records.get(record.member) ?? NONE).revision !== revision)
          return Promise.resolve(undefined);
        this.#records.set(record.member, { value: structuredClone(record), revision: ++this.#revision });
        this.#writtenAt.set(record.member, this.clock.wallNow());
        return Promise.resolve(this.#revision);
      },
      list: () => Promise.resolve([...this.#records.keys()]),
      read: (member) => Promise.resolve({ ...this.stored(member), writtenAt: this.writtenAt(member) }),
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
