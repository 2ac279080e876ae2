import type { GroupRecord } from '../../records/group-record.js';
import type { StoredValue } from '../../records/key-port.js';
import type { PositionRecord } from '../../records/position-record.js';

/** What a process finds that took the lease of a partition to drain it. */
export interface DrainQuestion {
  readonly group: GroupRecord;
  readonly change: number;
  readonly record: StoredValue<PositionRecord>;
  /** The lease says that the partition was claimed before. */
  readonly isClaimed: boolean;
  /** Of the lease that the process took. */
  readonly epoch: number;
  readonly owner: string;
  /** When the topic's stream was made. */
  readonly created: string;
}

export type DrainAnswer =
  /** The record carries the mark. */
  | { readonly kind: 'drained' }
  /** Write this, expecting the revision that was read. */
  | { readonly kind: 'claim'; readonly record: PositionRecord }
  /** Another process claimed it in this epoch or a later one. */
  | { readonly kind: 'overtaken' }
  /** There is no record although one was written. A claim halts, so nothing can start. */
  | { readonly kind: 'lost' };

/**
 * How a partition that no replica owns is claimed and marked in one write. Nothing was started under this claim, so it
 * says `rest`; the death of the owner before is counted here, once. Pure.
 */
export function claimToDrain(question: DrainQuestion): DrainAnswer {
  const { group, change, record, isClaimed, epoch, owner, created } = question;
  const { value } = record;
  const claim = { epoch, owner, write: 1, rest: true as const, drained: { change } };
  if (value === undefined) {
    if (isLost(group, record, isClaimed)) return { kind: 'lost' };
    return { kind: 'claim', record: { ...firstPosition(group, created), ...claim } };
  }
  if (value.drained?.change === change) return { kind: 'drained' };
  if (value.epoch >= epoch) return { kind: 'overtaken' };
  const deaths = value.rest === true ? value.deaths : value.deaths + 1;
  return { kind: 'claim', record: { ...value, deaths, ...claim } };
}

/** True if a partition without a record has had one. Pure. */
export function isLost(
  group: Pick<GroupRecord, 'hasRecords'>,
  { value, revision }: StoredValue<PositionRecord>,
  isClaimed: boolean,
): boolean {
  return value === undefined && (revision > 0 || isClaimed || group.hasRecords);
}

/** Where a never claimed partition begins. A start in another stream means its first event, in the next run. */
function firstPosition({ start, run, replayUntil }: GroupRecord, created: string): PositionRecord {
  const isHere = start.created === created;
  const replay = isHere && replayUntil !== undefined ? { replayUntil } : {};
  return {
    v: 1,
    epoch: 0,
    owner: '',
    write: 0,
    created,
    high: isHere ? start.sequence : 0,
    highTime: '',
    unsettled: '',
    window: 0,
    deaths: 0,
    starts: {},
    run: isHere ? run : run + 1,
    ...replay,
  };
}
