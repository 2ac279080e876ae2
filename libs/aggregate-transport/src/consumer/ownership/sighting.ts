import type { MemberRecord } from '../../records/member-record.js';

type LastWrite = Pick<MemberRecord, 'beat' | 'term'>;

/** What a process knows of the session of another replica, and since when, on its own clock. */
export class Sighting {
  readonly member: string;
  #ttlMs: number;
  /** The last write of the replica itself; undefined if none was seen, or if its record was removed. */
  #record: MemberRecord | undefined;
  #last: LastWrite;
  #since: number;
  #revision = 0;
  #isMember = false;
  #isMissing = false;
  #isDoubtful = true;
  /** The highest term that is known to be over, and since when that is known. */
  #over: { readonly term: number; readonly since: number } | undefined;

  /** A record, or the session that a lease names: then its record is yet to be read. */
  constructor({ member, term, ttlMs }: Pick<MemberRecord, 'member' | 'term' | 'ttlMs'>, now: number) {
    this.member = member;
    this.#last = { beat: 0, term };
    this.#ttlMs = ttlMs;
    this.#since = now;
  }

  get ttlMs(): number {
    return this.#ttlMs;
  }

  get record(): MemberRecord | undefined {
    return this.#record;
  }

  get last(): LastWrite {
    return this.#last;
  }

  /** Since when it stands as it is. */
  get since(): number {
    return this.#since;
  }

  /** Of the record as it was last read; 0 if there was none. */
  get revision(): number {
    return this.#revision;
  }

  /** True if it wants partitions and is not known to be gone. */
  get isMember(): boolean {
    return this.#isMember;
  }

  /** True if it has said that it goes. */
  get hasLeft(): boolean {
    return this.#record?.released === true;
  }

  /** True if there was no record when it was last read. */
  get isMissing(): boolean {
    return this.#isMissing;
  }

  /** True if it is worth a read at once. */
  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  /** True if its last known term is over. */
  get isOver(): boolean {
    return this.overSince(this.#last.term) !== undefined;
  }

  overSince(term: number): number | undefined {
    return this.#over !== undefined && term <= this.#over.term ? this.#over.since : undefined;
  }

  /** A lease names this term. */
  noteTerm(term: number): void {
    if (term <= this.#last.term) return;
    this.#last = { ...this.#last, term };
    this.#isDoubtful = true;
  }

  noteDoubt(): void {
    this.#isDoubtful = true;
  }

  noteRead(revision: number): void {
    this.#revision = revision;
    this.#isDoubtful = false;
  }

  /** A write of the replica, stored or of a term that is known: such a one may have been refused. */
  noteRenewed(record: MemberRecord, now: number): void {
    this.#isDoubtful = this.#isMissing = false;
    this.#record = record;
    this.#last = { beat: record.beat, term: Math.max(record.term, this.#last.term) };
    this.#ttlMs = record.ttlMs;
    this.#since = now;
    // A stored term means that the one before is over. Without sessions it may come back in the same one.
    if (record.term === 0) this.#over = undefined;
    else this.#noteOver(record.term - 1, now);
    this.#isMember = record.released !== true && !this.isOver;
  }

  /** The record was removed. Its replica may still be in its term, so that counts from now on. */
  noteMissing(now: number): void {
    this.#record = undefined;
    this.#isMissing = true;
    this.#since = now;
    this.#isMember = false;
  }

  noteOver(term: number, now: number): void {
    this.#noteOver(term, now);
    this.#last = { ...this.#last, term: Math.max(term, this.#last.term) };
    this.#since = now;
    if (this.isOver) this.#isMember = false;
  }

  #noteOver(term: number, now: number): void {
    if (term > (this.#over?.term ?? -1)) this.#over = { term, since: now };
  }
}
