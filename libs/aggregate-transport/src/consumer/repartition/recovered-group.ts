import type { GroupRecord, LayoutChange } from '../../records/group-record.js';
import type { LeaseRecord } from '../../records/lease-record.js';
import type { PositionRecord } from '../../records/position-record.js';
import type { LayoutPlace } from './repartition-ports.js';

/** What a group has left on the server, whether its own record exists or not. */
export interface GroupTraces {
  readonly places: readonly FoundPlace[];
  /** The highest epoch in a marker of a parked aggregate. */
  readonly parkedEpoch: number;
}

export interface FoundPlace {
  readonly place: LayoutPlace;
  readonly lease: LeaseRecord | undefined;
  readonly record: PositionRecord | undefined;
}

/** What a group that has lost its record is to become: a reset, or a deletion. */
export type LostChange = Pick<LayoutChange, 'id' | 'start' | 'deletes'> & {
  /** Undefined: as many partitions as the group had. */
  readonly to: number | undefined;
};

/** No place in any stream: of a group that is not to begin again. */
const NOWHERE = { sequence: 0, created: '' };

/**
 * The record of a group that has lost it, with a reset or its deletion under way. Undefined if no trace tells of the
 * group, or how many partitions it has. Pure.
 *
 * The layout in force was the highest one that an owner has worked in. Epochs continue from the highest that any trace
 * tells. `hasRecords` keeps a partition without a position from beginning in silence if that is cancelled.
 */
export function recoveredGroup(traces: GroupTraces, { to, ...wanted }: LostChange): GroupRecord | undefined {
  const { places, parkedEpoch } = traces;
  const { start = NOWHERE, deletes, id } = wanted;
  const epoch = Math.max(parkedEpoch, ...places.map(epochOf));
  const worked = places.filter(({ lease, record }) => lease !== undefined || (record?.write ?? 0) > 0);
  const last = highestOf(worked) ?? highestOf(places);
  const run = Math.max(0, ...places.map(({ record }) => record?.run ?? 0), lostRun(traces, epoch));
  const common = { start: { ...start, epoch }, run };
  if (last === undefined) {
    if (parkedEpoch === 0) return undefined;
    // Only parked aggregates are left: no partition can be drained, and none can be at work.
    const layout = { layout: 1, changes: 1, hasRecords: false };
    if (deletes !== undefined) return { ...layout, ...common, partitions: 0, deleted: { at: deletes.at } };
    if (to === undefined) return undefined;
    return {
      ...layout,
      ...common,
      partitions: to,
      run: run + 1,
      ...(id === undefined ? {} : { lastReset: id }),
    };
  }
  const number = Math.max(...places.map(numberOf)) + 1;
  return {
    partitions: last.partitions,
    layout: last.layout,
    changes: number,
    change: { number, to: to ?? last.partitions, ...wanted },
    ...common,
    hasRecords: true,
  };
}

/**
 * No run of a lost position is above this. A run begins after a reset, or in a stream that was made again, and for each
 * an owner needs an epoch of its own. So there are at most two runs for each epoch.
 */
export function mostRuns(epoch: number): number {
  return 2 * epoch;
}

function lostRun({ places, parkedEpoch }: GroupTraces, epoch: number): number {
  const isLost = places.some(({ lease, record }) => lease !== undefined && record === undefined);
  return isLost || (places.length === 0 && parkedEpoch > 0) ? mostRuns(epoch) : 0;
}

function epochOf({ lease, record }: FoundPlace): number {
  return Math.max(lease?.epoch ?? 0, record?.epoch ?? 0);
}

/** The highest number of a change that a place tells of; the next change must be above all of them. */
function numberOf({ place, record }: FoundPlace): number {
  return Math.max(place.layout, record?.drained?.change ?? 0);
}

function highestOf(places: readonly FoundPlace[]): LayoutPlace | undefined {
  const [first, ...others] = places.map(({ place }) => place);
  return others.reduce((highest, place) => (place.layout > (highest?.layout ?? 0) ? place : highest), first);
}
