import type { StoredValue } from '../../records/key-port.js';
import { keptBy, type LeaseRecord, type LeaseSession, sessionOf } from '../../records/lease-record.js';
import { LEASE_MARGIN_MS } from './session.js';
import type { OtherSessions } from './sessions.js';

/** A partition without an owner is one whose owner was not heard for this many ttls, or for so long. */
const OWNERLESS_TTLS = 2;
const OWNERLESS_WITHIN_MS = 8_000;
/** A failover takes a ttl and this much; where that is longer, it decides. */
const FAILOVER_MS = 500;

/** When a partition counts as one without an owner, in milliseconds after its owner was last heard. */
export function ownerlessAfterMs(ttlMs: number): number {
  return Math.max(Math.min(OWNERLESS_TTLS * ttlMs, OWNERLESS_WITHIN_MS), ttlMs + FAILOVER_MS);
}

export interface FreeQuestion {
  readonly now: number;
  /** Names this process: it does not hold the lease, even if the record says so. */
  readonly self: string;
  readonly ttlMs: number;
  /** Of the lease, in the records of sessions. */
  readonly key: string;
  readonly others: Pick<OtherSessions, 'heldEpoch' | 'overSince'>;
}

/**
 * What a process has seen of a lease that it does not hold: the last write, and since when, on its own clock. A write
 * is heard when it is made, or read later. A session that says that it holds the lease counts as a write.
 */
export class ObservedLease {
  #record: LeaseRecord | undefined;
  /** Undefined if the write was heard only. */
  #revision: number | undefined;
  #since: number | undefined;
  /** It had a value once. Outlasts {@link forget}. */
  #wasWritten = false;
  /** When an owner was last seen at work. Outlasts {@link forget}. */
  #aliveAt: number | undefined;

  /** Who holds the lease, as far as is known. */
  get holder(): string | undefined {
    return this.#record?.released === true ? undefined : this.#record?.owner;
  }

  /** Since when it stands unchanged; undefined if it was never seen. */
  get since(): number | undefined {
    return this.#since;
  }

  /**
   * Since when, or from when on, no process may run handlers under it; infinity if one may for an unknown time. A key
   * that was deleted, or comes from a backup, may be older than the lease. The holder's session tells then. A deleted
   * key does not say who held it: its holder may still run handlers for a ttl.
   */
  freeAt({ now, self, ttlMs, key, others }: FreeQuestion): number {
    const since = this.#since ?? now;
    const record = this.#record;
    if (others.heldEpoch(key) > (record?.epoch ?? 0)) return Number.POSITIVE_INFINITY;
    if (record === undefined) return this.#wasWritten ? since + ttlMs + LEASE_MARGIN_MS : since;
    if (record.released === true || record.owner === self) return since;
    const session = sessionOf(record);
    // Its owner renews it, as releases before sessions do.
    if (session === undefined) return since + record.ttlMs + LEASE_MARGIN_MS;
    return Math.max(since, others.overSince(session) ?? Number.POSITIVE_INFINITY);
  }

  /** Counts from the first time this process looks: an owner gets as long to be heard. */
  ownerlessMs(now: number): number {
    return now - (this.#aliveAt ??= now);
  }

  /** An owner is at work: this process, or another. */
  noteAlive(now: number): void {
    this.#aliveAt = now;
  }

  /** What the server holds now. */
  noteRead({ value, revision }: StoredValue<LeaseRecord>, now: number): void {
    const isSame =
      this.#since !== undefined && (revision === this.#revision || isSameWrite(value, this.#record));
    // What is seen for the first time may be of an owner that died long ago.
    const isTaken = value !== undefined && value.released !== true;
    if (!isSame && this.#since !== undefined && isTaken) this.noteAlive(now);
    if (!isSame) this.#since = now;
    this.#record = value;
    this.#revision = revision;
    this.#wasWritten ||= revision > 0;
  }

  /** A write was announced; it may still be refused. Then the next read corrects this. */
  noteHeard(record: LeaseRecord, now: number): void {
    if (record.released !== true) this.noteAlive(now);
    if (isNewer(record, this.#record)) this.assume(record, now);
  }

  /** A session says that it holds the lease. */
  noteHeld(session: LeaseSession, epoch: number, now: number): void {
    this.noteHeard({ ...keptBy(session), epoch }, now);
  }

  /** Until another write is seen, this one counts as the last. */
  assume(record: LeaseRecord, now: number): void {
    this.#record = record;
    this.#revision = undefined;
    this.#since = now;
    this.#wasWritten = true;
  }

  forget(): void {
    this.#record = this.#revision = this.#since = undefined;
  }
}

/** The same tenure, and without a session the same renewal. */
function isSameWrite(a: LeaseRecord | undefined, b: LeaseRecord | undefined): boolean {
  return (
    a !== undefined &&
    a.owner === b?.owner &&
    a.epoch === b.epoch &&
    a.beat === b.beat &&
    (a.released === true) === (b.released === true)
  );
}

function isNewer(record: LeaseRecord, known: LeaseRecord | undefined): boolean {
  if (known === undefined || record.epoch !== known.epoch) return record.epoch > (known?.epoch ?? 0);
  return (record.beat ?? 0) > (known.beat ?? 0) || (record.released === true && known.released !== true);
}
