import type { StoredValue } from '../../records/key-port.js';
import type { LeaseRecord } from '../../records/lease-record.js';

/** A partition without an owner is one whose lease was not renewed for this many ttls, or for so long. */
const OWNERLESS_TTLS = 2;
const OWNERLESS_WITHIN_MS = 8_000;
/** A failover takes a ttl and this much; where that is longer, it decides. */
const FAILOVER_MS = 500;

/** When a partition counts as one without an owner, in milliseconds after its lease was last renewed. */
export function ownerlessAfterMs(ttlMs: number): number {
  return Math.max(Math.min(OWNERLESS_TTLS * ttlMs, OWNERLESS_WITHIN_MS), ttlMs + FAILOVER_MS);
}

/**
 * What a process has seen of a lease that it does not hold: the last write, and since when, on its own clock. A write
 * is heard when it is made, or read later; two sightings are one if the revision or the writer's own count says so.
 */
export class ObservedLease {
  #record: LeaseRecord | undefined;
  /** Undefined if the write was heard only. */
  #revision: number | undefined;
  #since: number | undefined;
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

  /** Counts from the first time this process looks: an owner gets as long to be heard. */
  ownerlessMs(now: number): number {
    return now - (this.#aliveAt ??= now);
  }

  /** An owner has written: this process, or another. */
  noteAlive(now: number): void {
    this.#aliveAt = now;
  }

  /**
   * When it is free unless it is renewed; undefined if it was never seen. A deleted key says nothing of its holder,
   * which may still run handlers: it is free after `ttlMs`, as if it had just been renewed.
   */
  runsOutAt(marginMs: number, ttlMs: number): number | undefined {
    if (this.#since === undefined || this.#record?.released === true) return this.#since;
    if (this.#record !== undefined) return this.#since + this.#record.ttlMs + marginMs;
    const wasDeleted = (this.#revision ?? 0) > 0;
    return wasDeleted ? this.#since + ttlMs + marginMs : this.#since;
  }

  /** What the server holds now. */
  noteRead({ value, revision }: StoredValue<LeaseRecord>, now: number): void {
    const isSame =
      this.#since !== undefined && (revision === this.#revision || isSameWrite(value, this.#record));
    // What is seen for the first time may be of an owner that died long ago.
    const isRenewed = value !== undefined && value.released !== true;
    if (!isSame && this.#since !== undefined && isRenewed) this.noteAlive(now);
    if (!isSame) this.#since = now;
    this.#record = value;
    this.#revision = revision;
  }

  /** A write was announced; it may still be refused. Then the next renewal corrects this. */
  noteHeard(record: LeaseRecord, now: number): void {
    if (!isNewer(record, this.#record)) return;
    if (record.released !== true) this.noteAlive(now);
    this.assume(record, now);
  }

  /** Until another write is seen, this one counts as the last. */
  assume(record: LeaseRecord, now: number): void {
    this.#record = record;
    this.#revision = undefined;
    this.#since = now;
  }

  forget(): void {
    this.#record = this.#revision = this.#since = undefined;
  }
}

/** A writer counts its writes within an epoch. */
function isSameWrite(a: LeaseRecord | undefined, b: LeaseRecord | undefined): boolean {
  return a !== undefined && a.owner === b?.owner && a.epoch === b.epoch && a.beat === b.beat;
}

function isNewer(record: LeaseRecord, known: LeaseRecord | undefined): boolean {
  if (known === undefined || record.epoch !== known.epoch) return record.epoch > (known?.epoch ?? 0);
  return record.beat > known.beat;
}
