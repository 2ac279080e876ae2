import type { LeaseOnServer } from '../../records/group-on-server.js';

/** Who owns a partition, as far as the server knows. */
export interface PartitionOwnership {
  /** Undefined if no process holds the lease. */
  readonly owner: string | undefined;
  /** `run out`: its owner has not renewed it for longer than it lasts. */
  readonly lease: 'held' | 'run out' | 'released' | 'none';
  readonly epoch: number;
  /** Since it was last written, in milliseconds, by the server's clock and this host's. */
  readonly leaseAgeMs: number | undefined;
}

/** What a contender waits beyond the ttl, and a little for clocks that differ. */
const LATE_MS = 1_000;

/** `positionEpoch` is that of the partition's position, `now` the time of this host. Pure. */
export function ownershipOf(
  lease: LeaseOnServer | undefined,
  positionEpoch: number,
  now: number,
): PartitionOwnership {
  if (lease === undefined)
    return { owner: undefined, lease: 'none', epoch: positionEpoch, leaseAgeMs: undefined };
  const leaseAgeMs = Math.max(0, now - lease.aliveAt);
  const epoch = Math.max(lease.epoch, positionEpoch);
  if (lease.released) return { owner: undefined, lease: 'released', epoch, leaseAgeMs };
  const isLate = leaseAgeMs > lease.ttlMs + LATE_MS;
  return { owner: lease.owner, lease: isLate ? 'run out' : 'held', epoch, leaseAgeMs };
}
