import type { Clock } from '../../clock.js';
import type { StoredValue } from '../../records/key-port.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import type { LayoutPlace } from './repartition-ports.js';

/** A holder counts its time short by this much, an observer counts it long: clocks run at different speeds. */
const MARGIN_MS = 500;
/** How long a lease without a value may still have a holder: it was deleted, and nothing tells its ttl. */
const DELETED_TTL_MS = 5_000;

export interface Observation {
  readonly place: LayoutPlace;
  readonly lease: StoredValue<LeaseRecord>;
  /** The partition's record says that no owner can be at work: it was never claimed, or its last owner came to rest. */
  readonly isAtRest: boolean;
}

/**
 * Which leases of a group are free, as this process has seen on its own clock. A lease is free if it was never taken or
 * was released. It is free, too, if its revision has not moved for the ttl written in it plus a margin.
 */
export class ObservedLeases {
  /** When the revision of a lease was first seen, by place. */
  readonly #seen = new Map<string, { readonly revision: number; readonly at: number }>();

  constructor(
    private readonly clock: Clock,
    /** Leases of this owner are its own from an earlier try, and free. */
    private readonly owner: string,
  ) {}

  /** Notes what was read, and tells whether the lease is free. */
  isFree({ place, lease, isAtRest }: Observation): boolean {
    const { value, revision } = lease;
    const name = `${place.layout}.${place.partitions}.${place.partition}`;
    const now = this.clock.now();
    let seen = this.#seen.get(name);
    if (seen?.revision !== revision) {
      seen = { revision, at: now };
      this.#seen.set(name, seen);
    }
    if (value === undefined ? isAtRest : value.released === true || value.owner === this.owner) return true;
    return now - seen.at > (value?.ttlMs ?? DELETED_TTL_MS) + MARGIN_MS;
  }
}
