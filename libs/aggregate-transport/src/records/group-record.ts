import { AggregateTransportError } from '../errors.js';
import { isPartitionCount } from '../message/partitioning.js';

/** A change of a group's layout that is under way. */
export interface LayoutChange {
  /** Counts the changes ever begun; never used twice. */
  readonly number: number;
  /** How many partitions the group will have. */
  readonly to: number;
  /** Set for a reset: names it, so that the same command run again continues it. */
  readonly id?: string;
  /** Set for a reset: where the partitions of the new layout begin, instead of where the old ones ended. */
  readonly start?: { readonly sequence: number; readonly created: string };
  /** Set if the group is to be deleted: when that began, milliseconds since 1970. Nothing follows but a tombstone. */
  readonly deletes?: { readonly at: number };
}

/** What is left of a deleted group, so that a later one of its name counts on. */
export interface DeletedGroup {
  /** When its deletion began, milliseconds since 1970. */
  readonly at: number;
  /** Its keys and letters are removed too: a group of its name may begin. */
  readonly removed?: true;
}

/** Where partitions without a record begin. */
export interface GroupStart {
  /** The last sequence that is not handled (again). */
  readonly sequence: number;
  /** The stream that sequence belongs to. In another stream the group begins at its first event. */
  readonly created: string;
  /** The highest epoch of any partition before. Every later epoch is above it. */
  readonly epoch: number;
}

/**
 * What all replicas of a group follow, their options notwithstanding: how its events are divided, and where it began.
 * Written by compare-and-set only. While `change` is set the layout in force is drained; it stays in force until the
 * record says otherwise.
 */
export interface GroupRecord {
  /** How many partitions the group has. The number belongs to the group, never to a replica's options. 0: deleted. */
  readonly partitions: number;
  /** The change that made this layout; 0 for the group's first one. */
  readonly layout: number;
  /** Changes begun so far, cancelled ones included. */
  readonly changes: number;
  readonly change?: LayoutChange;
  /** Of the group's first start, or of its last reset. */
  readonly start: GroupStart;
  /** True if the change that made this layout wrote a record for each partition: one that is missing is lost. */
  readonly hasRecords: boolean;
  /** How often the group began again, when its layout was made. Never falls. */
  readonly run: number;
  /** The largest `high` of any partition before the last reset. */
  readonly replayUntil?: number;
  /** The id of the last reset that was completed. */
  readonly lastReset?: string;
  /** The group is deleted: no process may start anything for it. Run and epoch stay for a later group of its name. */
  readonly deleted?: DeletedGroup;
}

/** What all partitions of a drained layout say together. */
export interface ReachedLayout {
  /** The highest epoch. */
  readonly epoch: number;
  /** The largest run. */
  readonly run: number;
  /** The largest `high` in the stream that the change begins in. */
  readonly high: number;
}

/**
 * A stored record, checked.
 * @throws RECORD_INVALID
 */
export function readGroupRecord(value: Partial<GroupRecord>, where: string): GroupRecord {
  const { partitions, start, deleted } = value;
  const isDivided = deleted === undefined ? isPartitionCount(partitions ?? 0) : partitions === 0;
  if (partitions !== undefined && isDivided && typeof start?.sequence === 'number') {
    return { layout: 0, changes: 0, hasRecords: false, run: 0, ...value, partitions, start };
  }
  throw new AggregateTransportError(
    'RECORD_INVALID',
    `expected ${where} to hold a power of two up to 256 and a start, found ${partitions ?? 'nothing'}; ` +
      'restore it from a backup taken with the topic',
  );
}

/** The record of a group's first start. Pure. */
export function firstGroupRecord(partitions: number, start: Omit<GroupStart, 'epoch'>): GroupRecord {
  return { partitions, layout: 0, changes: 0, start: { ...start, epoch: 0 }, hasRecords: false, run: 0 };
}

/** The record of a group whose name a deleted one had. Run, epochs and changes count on from there. Pure. */
export function nextGroupRecord(
  deleted: GroupRecord,
  partitions: number,
  start: Omit<GroupStart, 'epoch'>,
): GroupRecord {
  const number = deleted.changes + 1;
  return {
    ...firstGroupRecord(partitions, start),
    layout: number,
    changes: number,
    start: { ...start, epoch: deleted.start.epoch },
    run: deleted.run + 1,
  };
}

/** True for a reset or a deletion: nothing is carried on, so lost positions do not matter. Pure. */
export function beginsAnew({ start, deletes }: Omit<LayoutChange, 'number'>): boolean {
  return start !== undefined || deletes !== undefined;
}

/** The first step of a change. The caller has made sure that no other is under way. Pure. */
export function beginChange(group: GroupRecord, change: Omit<LayoutChange, 'number'>): GroupRecord {
  const number = group.changes + 1;
  return { ...group, changes: number, change: { ...change, number } };
}

/** The layout stays as it is; what was drained for the change is void, for ever. Pure. */
export function cancelChange(group: GroupRecord): GroupRecord {
  const { change, ...rest } = group;
  return change === undefined ? group : rest;
}

/** Puts the layout of a change in force. Pure. */
export function completeChange(
  group: GroupRecord,
  change: LayoutChange,
  reached: ReachedLayout,
): GroupRecord {
  const { number, to, start, id, deletes } = change;
  const run = Math.max(group.run, reached.run);
  if (deletes !== undefined) return tombstoneOf(group, { number, at: deletes.at, run, epoch: reached.epoch });
  const next = { ...cancelChange(group), partitions: to, layout: number };
  if (start === undefined) return { ...next, hasRecords: true, run };
  // Sequences of another stream say nothing of this one.
  const replayed = group.start.created === start.created ? (group.replayUntil ?? 0) : 0;
  return {
    ...next,
    hasRecords: false,
    start: { ...start, epoch: Math.max(group.start.epoch, reached.epoch) },
    run: run + 1,
    replayUntil: Math.max(reached.high, replayed),
    ...(id === undefined ? {} : { lastReset: id }),
  };
}

interface LastOfGroup {
  readonly number: number;
  readonly at: number;
  readonly run: number;
  readonly epoch: number;
}

/** Without partitions: a release that does not know of deletions finds nothing to do. */
function tombstoneOf({ changes, start }: GroupRecord, { number, at, run, epoch }: LastOfGroup): GroupRecord {
  return {
    partitions: 0,
    layout: number,
    changes,
    start: { sequence: 0, created: '', epoch: Math.max(start.epoch, epoch) },
    hasRecords: false,
    run,
    deleted: { at },
  };
}

/**
 * True if `wanted` asks for what `found` does: to delete, or the same number of partitions. For a reset the id or the
 * start has to be the same, too. Pure.
 */
export function isSameChange(
  found: Omit<LayoutChange, 'number'>,
  wanted: Omit<LayoutChange, 'number'>,
): boolean {
  const deletes = [found.deletes, wanted.deletes];
  if (deletes.some((one) => one !== undefined)) return !deletes.includes(undefined);
  if (found.to !== wanted.to) return false;
  if (found.start === undefined || wanted.start === undefined) return found.start === wanted.start;
  const isSameStart =
    found.start.sequence === wanted.start.sequence && found.start.created === wanted.start.created;
  return isSameStart || (found.id !== undefined && found.id === wanted.id);
}

/**
 * True if a change was cancelled that drained a partition of layout `of`. Numbers are never used twice, so once true it
 * stays true, and a process that learned it long ago may still rely on it. Pure.
 */
export function isCancelled(change: number, of: number, now: GroupRecord): boolean {
  return now.layout === of && change > of && change <= now.changes && change !== now.change?.number;
}

/** The partitions, among `from`, whose aggregates partition `partition` among `partitions` holds. Pure. */
export function sourcesOf(partition: number, partitions: number, from: number): number[] {
  if (partitions >= from) return [Math.floor((partition * from) / partitions)];
  const each = from / partitions;
  return Array.from({ length: each }, (_, index) => partition * each + index);
}
