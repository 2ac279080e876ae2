import { type LayoutChange, sourcesOf } from '../../records/group-record.js';
import {
  decodeSequences,
  encodeSequences,
  type PositionOrigin,
  type PositionRecord,
  type SourcePosition,
} from '../../records/position-record.js';
import { type SettledSet, unionOf } from './settled-set.js';

/** A drained partition of the layout that ends. */
export interface DrainedPartition {
  readonly record: PositionRecord;
  /** A lower bound for its first event that is not settled, exact if there is one. Used for merging only. */
  readonly firstUnsettled: number;
}

export interface PositionsRequest {
  readonly change: Pick<LayoutChange, 'to'>;
  /** By partition of the layout that ends. */
  readonly drained: readonly DrainedPartition[];
  /** When the topic's stream was made. */
  readonly created: string;
}

/**
 * The positions that a new layout begins with, by partition. Pure.
 *
 * Splitting copies the source's record: sequences of other partitions in its list are given up when the owner asks for
 * them. Merging begins before the first event that any source has not settled, and `origin` names what the sources had
 * settled above that. Epochs start from the highest of all, so the token of an aggregate grows from whichever source it
 * comes.
 */
export function initialPositions({ change, drained, created }: PositionsRequest): PositionRecord[] {
  const from = drained.length;
  const epoch = Math.max(...drained.map(({ record }) => record.epoch));
  return Array.from({ length: change.to }, (_, partition) => {
    const sources = sourcesOf(partition, change.to, from);
    const [first, ...others] = sources.flatMap((source) => {
      const found = drained[source];
      return found === undefined ? [] : [{ partition: source, ...found }];
    });
    if (first === undefined) throw new RangeError(`partition ${partition} of ${change.to} has no source`);
    const record =
      others.length === 0
        ? splitOf(first.record, { partition, partitions: change.to })
        : mergeOf([first, ...others], { from, created });
    return { ...record, epoch, owner: '', write: 0 };
  });
}

/** What a partition has when it takes over a part of a partition, or all of it. */
function splitOf(
  source: PositionRecord,
  target: { readonly partition: number; readonly partitions: number },
): PositionRecord {
  const { origin } = source;
  const record = without(source, 'drained', 'origin');
  if (origin === undefined) return record;
  // A merge that is not yet read past: only what overlaps the new partition is carried on.
  const overlapping = sourcesOf(target.partition, target.partitions, origin.partitions);
  const sources = origin.sources.filter(({ partition }) => overlapping.includes(partition));
  return sources.length === 0 ? record : { ...record, origin: { ...origin, sources } };
}

interface Source extends DrainedPartition {
  readonly partition: number;
}

type Sources = readonly [Source, ...Source[]];

interface Merge {
  /** How many partitions the layout that ends has. */
  readonly from: number;
  readonly created: string;
}

/** What a partition has when it takes the place of several. */
function mergeOf(sources: Sources, { from, created }: Merge): PositionRecord {
  const records = sources.map(({ record }) => record);
  const here = sources.filter(({ record }) => record.created === created);
  const common = {
    window: windowOf(records),
    deaths: Math.max(...records.map(({ deaths }) => deaths)),
    // An owner that claims this inherits suspects if one of the sources was not at rest.
    ...(records.every(({ rest }) => rest === true) ? { rest: true as const } : {}),
  };
  if (here.length === 0) return { ...emptyOf(records), ...common };
  // A source that was drained in another stream of the name has settled nothing of this one.
  const bounds = sources.map((source) => (here.includes(source) ? source.firstUnsettled : 1));
  const highest = Math.max(...here.map(({ record }) => record.high));
  const high = Math.min(highest, ...bounds.map((bound) => bound - 1));
  const origin = originOf(here, from, high);
  const replayed = Math.max(0, ...here.map(({ record }) => record.replayUntil ?? 0));
  return {
    v: 1,
    epoch: 0,
    owner: '',
    write: 0,
    created,
    high,
    highTime: here.find(({ record }) => record.high === high)?.record.highTime ?? '',
    unsettled: '',
    starts: Object.assign({}, ...here.map(({ record }) => record.starts)) as PositionRecord['starts'],
    // The owner of a source that has not seen this stream would have begun a run for it.
    run: Math.max(...records.map((record) => record.run + (record.created === created ? 0 : 1))),
    ...(origin === undefined ? {} : { origin }),
    ...(replayed === 0 ? {} : { replayUntil: replayed, replayRun: replayRunOf(here) }),
    ...common,
  };
}

/** The run in which the last reset began. */
function replayRunOf(sources: readonly Source[]): number {
  const reset = sources.filter(({ record }) => record.replayUntil !== undefined);
  return Math.min(...reset.map(({ record }) => record.replayRun ?? record.run));
}

/** No source knows the stream: the claim finds another `created`, begins at its first event, and reports that. */
function emptyOf(records: readonly PositionRecord[]): PositionRecord {
  const run = Math.max(...records.map((record) => record.run));
  const created = records.find((record) => record.run === run)?.created ?? '';
  const nothing = { high: 0, highTime: '', unsettled: '', starts: {}, window: 0, deaths: 0 };
  return { v: 1, epoch: 0, owner: '', write: 0, created, run, ...nothing };
}

/**
 * What the sources have settled above `high`; undefined if nothing. A source may still have an origin of its own. Then
 * the result is divided as finely as that origin, so a change never waits until readers are past the one before.
 */
function originOf(sources: readonly Source[], from: number, high: number): PositionOrigin | undefined {
  const partitions = Math.max(from, ...sources.map(({ record }) => record.origin?.partitions ?? 0));
  const parts = partitions / from;
  const settled = sources.flatMap(({ partition, record }) => {
    const base = settledSetOf(record);
    return Array.from({ length: parts }, (_, part): SourcePosition | undefined => {
      const fine = partition * parts + part;
      const before = originalOf(record.origin, fine, partitions);
      const all = before === undefined ? base : unionOf(base, before);
      if (all.high <= high) return undefined;
      return { partition: fine, high: all.high, unsettled: encodeSequences(all.unsettled) };
    });
  });
  const found = settled.filter((source) => source !== undefined);
  return found.length === 0 ? undefined : { partitions, sources: found };
}

function originalOf(
  origin: PositionOrigin | undefined,
  partition: number,
  partitions: number,
): SettledSet | undefined {
  if (origin === undefined) return undefined;
  const [holder] = sourcesOf(partition, partitions, origin.partitions);
  const found = origin.sources.find((source) => source.partition === holder);
  return found === undefined ? undefined : settledSetOf(found);
}

function settledSetOf({
  high,
  unsettled,
}: {
  readonly high: number;
  readonly unsettled: string;
}): SettledSet {
  return { high, unsettled: decodeSequences(unsettled) };
}

function without<T extends object, K extends keyof T>(value: T, ...keys: readonly K[]): Omit<T, K> {
  const kept = Object.entries(value).filter(([key]) => !keys.includes(key as K));
  return Object.fromEntries(kept) as Omit<T, K>;
}

/** What a dead owner of one source started may lie after all that the other sources have unsettled. */
function windowOf(records: readonly PositionRecord[]): number {
  const windows = records.map(({ window }) => window);
  const hasDeaths = records.some(({ deaths }) => deaths > 0);
  return hasDeaths ? windows.reduce((sum, window) => sum + window, 0) : Math.max(...windows);
}
