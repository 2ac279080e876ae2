import type { Clock } from '../../clock.js';
import type { StoredValue } from '../../records/key-port.js';
import { type LeaseRecord, type LeaseSession, sessionOf } from '../../records/lease-record.js';
import type { LayoutPlace, RepartitionPorts } from './repartition-ports.js';

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
 * was released. It is free, too, if the term of the session that it names is over. A session that has stood still for
 * the ttl and a margin is ended here, as a replica ends it.
 */
export class ObservedLeases {
  /** When the revision of a lease or session was first seen, by name. */
  readonly #seen = new Map<string, { readonly revision: number; readonly at: number }>();

  constructor(
    private readonly clock: Clock,
    /** Leases of this owner are its own from an earlier try, and free. */
    private readonly owner: string,
    private readonly sessions: RepartitionPorts['sessions'],
  ) {}

  /**
   * Notes what was read, and tells whether the lease is free.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async isFree({ place, lease, isAtRest }: Observation): Promise<boolean> {
    const { value, revision } = lease;
    const since = this.#since(`${place.layout}.${place.partitions}.${place.partition}`, revision);
    if (value === undefined) return isAtRest || this.clock.now() - since > DELETED_TTL_MS + MARGIN_MS;
    if (value.released === true || value.owner === this.owner) return true;
    const session = sessionOf(value);
    // Its owner renews it, as releases before sessions do.
    if (session === undefined) return this.clock.now() - since > value.ttlMs + MARGIN_MS;
    return this.#isOver(session, since);
  }

  async #isOver({ owner, term, ttlMs }: LeaseSession, leaseSince: number): Promise<boolean> {
    const { value, revision } = await this.sessions.read(owner);
    const known = value?.term ?? 0;
    if (known > term || (value?.ended === true && known === term)) return true;
    const since = Math.max(leaseSince, this.#since(`session ${owner}`, revision));
    if (this.clock.now() - since <= ttlMs + MARGIN_MS) return false;
    const ended = { member: owner, ttlMs, beat: value?.beat ?? 0, term, ended: true };
    return (await this.sessions.announce(ended, revision)) !== undefined;
  }

  #since(name: string, revision: number): number {
    const seen = this.#seen.get(name);
    if (seen?.revision === revision) return seen.at;
    const at = this.clock.now();
    this.#seen.set(name, { revision, at });
    return at;
  }
}
