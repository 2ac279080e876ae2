import { type LayoutChange, sourcesOf } from '../../records/group-record.js';
import { UNMADE } from '../layout-marks.js';
import type { LeaseRecord } from '../../records/lease-record.js';

/** A drained partition of the layout that ends. */
export interface DrainedPartition {
  readonly lease: LeaseRecord;
  /** Its first event that is not settled; where it has none, a sequence behind which all its later events will lie. */
  readonly firstUnsettled: number;
}

export interface PlanRequest {
  readonly change: LayoutChange;
  /** By partition of the layout that ends. */
  readonly drained: readonly DrainedPartition[];
  /** When the stream was made. */
  readonly streamCreated: string;
}

/**
 * The leases that a new layout begins with, by partition. Pure.
 *
 * Each begins at the first event that any of its sources has not settled. If one of them was delivered more than that,
 * the partition will meet events that were settled, and its lease says where to read which. Epochs go on from the
 * highest of all, so that the fencing token of an aggregate grows wherever it comes from.
 */
export function planLayout({ change, drained, streamCreated }: PlanRequest): LeaseRecord[] {
  const from = drained.length;
  const epoch = Math.max(0, ...drained.map(({ lease }) => lease.epoch));
  return Array.from({ length: change.to }, (_, partition) => {
    const sources = sourcesOf(partition, change.to, from).flatMap((source) => drained[source] ?? []);
    // A source that was drained in another stream of the name says nothing of this one.
    const start = Math.min(
      ...sources.map(({ lease, firstUnsettled }) =>
        lease.streamCreated === streamCreated ? firstUnsettled : 1,
      ),
    );
    const meetsSettled = sources.some(({ lease }) => (lease.drained?.delivered ?? 0) >= start);
    return {
      owner: '',
      ttlMs: 0,
      epoch,
      released: true,
      floor: start - 1,
      streamCreated,
      generation: UNMADE,
      retired: [],
      layout: change.number,
      ...(meetsSettled ? { origin: { change: change.number, partitions: from } } : {}),
    };
  });
}
