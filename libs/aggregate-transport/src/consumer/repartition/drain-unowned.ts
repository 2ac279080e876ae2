import { reached } from '#sabotage';
import type { Clock } from '../../clock.js';
import { AggregateTransportError } from '../../errors.js';
import { inParallel, REQUESTS_AT_ONCE } from '../../in-parallel.js';
import { beginsAnew, type GroupRecord, type LayoutChange } from '../../records/group-record.js';
import type { StoredValue } from '../../records/key-port.js';
import type { LeaseRecord, RunningHandler } from '../../records/lease-record.js';
import type { PositionRecord } from '../../records/position-record.js';
import { claimToDrain, isLost } from './drain-claim.js';
import { ObservedLeases } from './observed-leases.js';
import type { LayoutPlace, RepartitionPorts } from './repartition-ports.js';
import { type ChangeProgress, type LostPartitions, readableFor } from './repartition.js';

export type DrainingProgress = ChangeProgress & { readonly kind: 'draining' };

/** A partition that is not drained, and what keeps it so. */
export interface OpenPartition {
  readonly partition: number;
  /** The process that holds its lease, as far as is known; undefined if it is free. */
  readonly holder: string | undefined;
  /** Handlers of the holder that still run, the first few. */
  readonly running: readonly RunningHandler[];
  /** Its position is lost. */
  readonly lost: boolean;
}

export interface DrainUnownedOptions {
  readonly name: string;
  readonly ports: RepartitionPorts;
  readonly clock: Clock;
  /** Names this process; no other may use the same name. */
  readonly owner: string;
}

const LEASE_TTL_MS = 5_000;
const DRAIN_TERM = 1;

interface Found {
  readonly place: LayoutPlace;
  readonly lease: StoredValue<LeaseRecord>;
  readonly record: StoredValue<PositionRecord>;
}

/**
 * Drains the partitions of a group that no replica owns, so that a change ends without a replica. For each it does what
 * an owner does that starts nothing:
 *
 * 1. Take the lease once it is free.
 * 2. Claim the position with the mark of the change, in one write.
 * 3. Release the lease.
 *
 * All three are compare-and-set, so a replica that is faster, or wakes up, only makes this fail. Remembers which leases
 * it has seen unchanged and which positions are lost. One object serves one change after the other.
 */
export class DrainUnowned {
  #layout: number | undefined;
  readonly #leases: ObservedLeases;
  #lost = new Map<number, number>();

  constructor(private readonly options: DrainUnownedOptions) {
    this.#leases = new ObservedLeases(options.clock, options.owner, options.ports.sessions);
  }

  /** Partitions at rest although their position is lost, with the epoch of the lease that was taken for that. */
  get lost(): LostPartitions {
    return this.#lost;
  }

  /**
   * Drains what can be drained now, and tells what is left.
   * @throws RECORD_MISSING if a position is lost and the change carries it on
   * @throws RECORD_INVALID, JETSTREAM_REQUEST_FAILED
   */
  async pass({ group, change, open }: DrainingProgress): Promise<readonly OpenPartition[]> {
    if (this.#layout !== group.layout) {
      this.#layout = group.layout;
      this.#lost = new Map();
    }
    const left = await inParallel(open, REQUESTS_AT_ONCE, async (partition) => {
      const found = await this.#find(group, change, partition);
      const isMissing = isLost(group, found.record, found.lease.value?.claimed === true);
      if (isMissing && !beginsAnew(change)) throw this.#missing(partition);
      if ((await this.#isFree(found, isMissing)) && (await this.#drain(group, change, found)))
        return undefined;
      return openOf(found, isMissing, this.options.owner);
    });
    return left.filter((partition) => partition !== undefined);
  }

  async #find({ layout, partitions }: GroupRecord, change: LayoutChange, partition: number): Promise<Found> {
    const { ports } = this.options;
    const place = { layout, partitions, partition };
    // In this order: a lease says that a position exists after it was written, never before.
    const lease = await ports.lease(place).read();
    const record = await this.#record(place, change);
    return { place, lease, record };
  }

  async #record(place: LayoutPlace, change: LayoutChange): Promise<StoredValue<PositionRecord>> {
    const { ports, name } = this.options;
    return readableFor(change, await ports.position(place).read(), `partition ${place.partition} of ${name}`);
  }

  #isFree({ place, lease, record: { value } }: Found, isMissing: boolean): Promise<boolean> {
    const isAtRest = value === undefined ? !isMissing : value.rest === true || value.write === 0;
    return this.#leases.isFree({ place, lease, isAtRest });
  }

  /** Resolves with true if the partition is at rest for the change. */
  async #drain(group: GroupRecord, change: LayoutChange, found: Found): Promise<boolean> {
    const { ports, owner } = this.options;
    const { place, lease } = found;
    if (this.#lost.has(place.partition) && found.record.value === undefined) return true;
    const taken = leaseToDrain(group, found, owner);
    const { epoch, claimed: isClaimed = false } = taken;
    const revision = await ports.lease(place).write(taken, lease.revision);
    if (revision === undefined) return false;
    reached('drain: lease taken');
    // Read again: the owner before may have written until its lease was taken.
    const record = await this.#record(place, change);
    // Where a partition begins that is deleted makes no difference, and its topic's stream may be gone.
    const { created } = change.deletes === undefined ? await ports.stream() : { created: '' };
    const answer = claimToDrain({ group, change: change.number, record, isClaimed, epoch, owner, created });
    const isDone = await this.#carryOut(answer, place, record.revision);
    if (answer.kind === 'lost') this.#lost.set(place.partition, epoch);
    reached('drain: position marked');
    const claimed = isClaimed || isDone;
    await this.#release(place, { ...taken, ...(claimed ? { claimed } : {}) }, revision);
    return isDone;
  }

  async #carryOut(
    answer: ReturnType<typeof claimToDrain>,
    place: LayoutPlace,
    revision: number,
  ): Promise<boolean> {
    if (answer.kind === 'overtaken') return false;
    if (answer.kind !== 'claim') return true;
    return (await this.options.ports.position(place).write(answer.record, revision)) !== undefined;
  }

  /** A release that fails costs the next owner the ttl, nothing else. */
  async #release(place: LayoutPlace, lease: LeaseRecord, revision: number): Promise<void> {
    try {
      await this.options.ports.lease(place).write({ ...lease, released: true }, revision);
    } catch (error) {
      if (!(error instanceof AggregateTransportError)) throw error;
    }
  }

  #missing(partition: number): AggregateTransportError {
    return new AggregateTransportError(
      'RECORD_MISSING',
      `expected a position of partition ${partition} of ${this.options.name}, found none although it was claimed ` +
        'before; call the change off with --cancel, then restore the stream of positions from a backup, or run group reset',
    );
  }
}

/** The lease under which a partition is drained: its epoch is above all that is known. Pure. */
function leaseToDrain(
  { start, hasRecords }: GroupRecord,
  { lease, record }: Found,
  owner: string,
): LeaseRecord {
  const epoch = Math.max(lease.value?.epoch ?? 0, record.value?.epoch ?? 0, start.epoch) + 1;
  const isClaimed = lease.value?.claimed === true || record.revision > 0 || hasRecords;
  // It has no session: one that leaves no record is ended when the ttl has passed.
  const taken = { owner, term: DRAIN_TERM, ttlMs: LEASE_TTL_MS, sessionTtlMs: LEASE_TTL_MS, epoch };
  return isClaimed ? { ...taken, claimed: true } : taken;
}

function openOf({ place, lease }: Found, lost: boolean, owner: string): OpenPartition {
  const { value } = lease;
  const isHeld = value !== undefined && value.released !== true && value.owner !== owner;
  return {
    partition: place.partition,
    holder: isHeld ? value.owner : undefined,
    running: value?.running ?? [],
    lost,
  };
}
