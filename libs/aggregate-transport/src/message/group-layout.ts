import { AggregateTransportError } from '../errors.js';
import { isPartitionCount } from './partition.js';

/** A change of a group's number of partitions that is under way. */
export interface LayoutChange {
  /** Counts the changes ever begun; never used twice. */
  readonly number: number;
  /** How many partitions the group shall have. */
  readonly to: number;
}

/**
 * What all replicas of a group follow, whatever their options say: how its events are divided. Written by
 * compare-and-set only. While `change` is set the layout in force is drained; it stays in force until the record says
 * otherwise.
 */
export interface GroupLayout {
  /** How many partitions the group has. It belongs to the group, never to a replica's options. */
  readonly partitions: number;
  /** The change that made this layout; 0 for the group's first one. */
  readonly layout: number;
  /** Changes begun so far, the cancelled ones too. */
  readonly changes: number;
  readonly change?: LayoutChange;
  /** Partitions of the layout before, as long as its consumers may be left on the server. */
  readonly former?: number;
}

/**
 * What a stored record says; fields that the first release did not write have their first values.
 * @throws CONSUMER_MISMATCH if it is none
 */
export function readLayout(value: Partial<GroupLayout>, where: string): GroupLayout {
  const { partitions } = value;
  if (partitions !== undefined && isPartitionCount(partitions)) {
    return { layout: 0, changes: 0, ...value, partitions };
  }
  throw new AggregateTransportError(
    'CONSUMER_MISMATCH',
    `expected ${where} to hold a power of two up to 256, found ${partitions ?? 'nothing'}`,
  );
}

/** The first step of a change. The caller has made sure that no other is under way. Pure. */
export function beginChange(layout: GroupLayout, to: number): GroupLayout {
  const number = layout.changes + 1;
  return { ...layout, changes: number, change: { number, to } };
}

/** The layout stays as it is; what was drained for the change is void, for ever. Pure. */
export function cancelChange({ partitions, layout, changes, former }: GroupLayout): GroupLayout {
  return { partitions, layout, changes, ...(former === undefined ? {} : { former }) };
}

/** The new layout is in force. Pure. */
export function completeChange(
  { partitions, changes }: GroupLayout,
  { number, to }: LayoutChange,
): GroupLayout {
  return { partitions: to, layout: number, changes, former: partitions };
}

/** Nothing is left of the layout before. Pure. */
export function forgetFormer({ partitions, layout, changes, change }: GroupLayout): GroupLayout {
  return { partitions, layout, changes, ...(change === undefined ? {} : { change }) };
}

/**
 * True if a change was cancelled that drained a partition of layout `of`. Numbers are never used twice, so once true it
 * stays true, and a process that learned it long ago may still rely on it. Pure.
 */
export function isCancelled(change: number, of: number, now: GroupLayout): boolean {
  return now.layout === of && change > of && change <= now.changes && change !== now.change?.number;
}

/** The partitions, among `from`, whose aggregates partition `partition` among `partitions` holds. Pure. */
export function sourcesOf(partition: number, partitions: number, from: number): number[] {
  if (partitions >= from) return [Math.floor((partition * from) / partitions)];
  const each = from / partitions;
  return Array.from({ length: each }, (_, index) => partition * each + index);
}
