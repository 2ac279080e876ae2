import type { StoredValue } from '../../records/key-port.js';
import type { LeaseRecord } from '../../records/lease-record.js';

/**
 * What a process has seen of a lease that it does not hold: the last write, and since when, on its own clock. A write
 * is heard when it is made, or read later; two sightings are one if the revision or the writer's own count says so.
 */
export class LeaseSighting {
  #record: LeaseRecord | undefined;
  /** Undefined if the write was heard only. */
  #revision: number | undefined;
  #since: number | undefined;

  /** The record as it was last seen; undefined if there is none, or nobody has looked. */
  get record(): LeaseRecord | undefined {
    return this.#record;
  }

  /** Who holds the lease, as far as is known. */
  get holder(): string | undefined {
    return this.#record?.released === true ? undefined : this.#record?.owner;
  }

  /** Since when it stands unchanged; undefined if nobody has looked. */
  get since(): number | undefined {
    return this.#since;
  }

  /** When nobody holds it any more unless it is renewed; undefined if nobody has looked. */
  runsOutAt(marginMs: number): number | undefined {
    if (this.#since === undefined || this.#record === undefined || this.#record.released === true)
      return this.#since;
    return this.#since + this.#record.ttlMs + marginMs;
  }

  /** What the server holds now. */
  read(found: StoredValue<LeaseRecord> | undefined, now: number): void {
    const isSame =
      this.#since !== undefined &&
      (found === undefined
        ? this.#record === undefined
        : found.revision === this.#revision || isSameWrite(found.value, this.#record));
    if (!isSame) this.#since = now;
    this.#record = found?.value;
    this.#revision = found?.revision;
  }

  /** Somebody writes, or tries to. A try that fails is corrected by the next renewal. */
  heard(record: LeaseRecord, now: number): void {
    if (!isNewer(record, this.#record)) return;
    this.#record = record;
    this.#revision = undefined;
    this.#since = now;
  }

  forget(): void {
    this.#record = this.#revision = this.#since = undefined;
  }
}

/** A writer counts its writes within an epoch; one of an older version does not, and then only revisions tell. */
function isSameWrite(a: LeaseRecord, b: LeaseRecord | undefined): boolean {
  return a.beat !== undefined && a.owner === b?.owner && a.epoch === b.epoch && a.beat === b.beat;
}

function isNewer(record: LeaseRecord, known: LeaseRecord | undefined): boolean {
  if (known === undefined || record.epoch !== known.epoch) return record.epoch > (known?.epoch ?? 0);
  return record.beat === undefined || known.beat === undefined || record.beat > known.beat;
}
