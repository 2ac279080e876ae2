import type { LayoutPlace, RepartitionPorts } from '../../consumer/repartition/repartition-ports.js';
import { inParallel, REQUESTS_AT_ONCE } from '../../in-parallel.js';
import type { GroupRecord } from '../../records/group-record.js';
import { decodeSequences, isReadable, type PositionRecord } from '../../records/position-record.js';
import type { ResolvedTarget } from './reset-target.js';
import { tableOf } from '../command/table.js';

/** What a reset means for one partition of the layout in force. */
export interface ResetRow {
  readonly partition: number;
  /** The highest settled sequence; undefined if its position is lost, of a later release, or of another stream. */
  readonly high: number | undefined;
  /** True if its position is lost: then the next two are upper bounds. */
  readonly lost: boolean;
  /** Events that are not settled and will not be handled. */
  readonly givenUp: number;
  /** Settled events that will be handled again. */
  readonly again: number;
}

/**
 * Counts what a reset gives up and repeats. Events of other partitions that a split left in a list are counted too.
 * A lost position may have settled any event, or none.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function reportReset(
  ports: RepartitionPorts,
  group: GroupRecord,
  { start }: ResolvedTarget,
): Promise<ResetRow[]> {
  const { layout, partitions } = group;
  const hasPositions = await ports.hasPositions();
  return inParallel(Array.from({ length: partitions }), REQUESTS_AT_ONCE, async (_, partition) => {
    const place = { layout, partitions, partition };
    const found = hasPositions ? (await ports.position(place).read()).value : undefined;
    // What a newer release wrote counts as lost, as the reset itself takes it.
    const record = found !== undefined && isReadable(found) ? found : undefined;
    const isLost = record === undefined && (found !== undefined || (await wasWritten(ports, place, group)));
    if (isLost) return { partition, high: undefined, lost: true, ...(await boundsOf(ports, place, start)) };
    const { high, unsettled } = standOf(record, group, start);
    const counts = await countsOf({ ports, place, high: high ?? 0, unsettled, start });
    return { partition, high, lost: false, ...counts };
  });
}

/** Where a partition stands in the stream that the reset begins in; before its first record at the group's start. */
function standOf(
  record: PositionRecord | undefined,
  group: GroupRecord,
  { created }: ResolvedTarget['start'],
): { high: number | undefined; unsettled: readonly number[] } {
  if (record !== undefined) {
    if (record.created !== created) return { high: undefined, unsettled: [] };
    return { high: record.high, unsettled: decodeSequences(record.unsettled) };
  }
  return { high: group.start.created === created ? group.start.sequence : undefined, unsettled: [] };
}

/** A position is known to have existed. */
async function wasWritten(ports: RepartitionPorts, place: LayoutPlace, group: GroupRecord): Promise<boolean> {
  return group.hasRecords || wasClaimed(ports, place);
}

async function wasClaimed(ports: RepartitionPorts, place: LayoutPlace): Promise<boolean> {
  return (await ports.lease(place).read()).value?.claimed === true;
}

/** The most that a partition of which nothing is known may give up and repeat. */
async function boundsOf(
  ports: RepartitionPorts,
  place: LayoutPlace,
  { sequence }: ResolvedTarget['start'],
): Promise<Pick<ResetRow, 'givenUp' | 'again'>> {
  const all = await ports.countAfter(place, 0);
  const again = await ports.countAfter(place, sequence);
  return { givenUp: Math.max(0, all - again), again };
}

interface Question {
  readonly ports: RepartitionPorts;
  readonly place: { readonly partitions: number; readonly partition: number };
  readonly high: number;
  readonly unsettled: readonly number[];
  readonly start: ResolvedTarget['start'];
}

async function countsOf({
  ports,
  place,
  high,
  unsettled,
  start,
}: Question): Promise<Pick<ResetRow, 'givenUp' | 'again'>> {
  const unread = await ports.countAfter(place, high);
  const handled = await ports.countAfter(place, start.sequence);
  const open = unsettled.filter((sequence) => sequence > start.sequence).length;
  return {
    givenUp: unsettled.length - open + Math.max(0, unread - handled),
    again: Math.max(0, handled - unread - open),
  };
}

/** One line for people about all partitions. Pure. */
export function describeReset(target: ResolvedTarget, rows: readonly ResetRow[]): string {
  const { start, removedFrom, first, last } = target;
  const sum = (count: (row: ResetRow) => number): number =>
    rows.reduce((total, row) => total + count(row), 0);
  const from =
    start.sequence === last
      ? `begins after sequence ${last}, the last one of the stream`
      : `begins at sequence ${start.sequence + 1}; the stream holds ${first} to ${last}`;
  const removed =
    removedFrom === undefined
      ? ''
      : `; retention has removed sequences ${removedFrom} to ${first - 1}, they do not come again`;
  const lost = rows.filter((row) => row.lost).length;
  const upTo = lost === 0 ? '' : 'up to ';
  const why =
    lost === 0
      ? ''
      : `; the positions of ${lost} of ${rows.length} partitions are lost, so nothing tells what was settled there`;
  return (
    `${from}${removed}; ${upTo}${sum(({ again }) => again)} events come again, ` +
    `${upTo}${sum(({ givenUp }) => givenUp)} unsettled ones are given up${why}`
  );
}

/** Pure. */
export function tableOfReset(rows: readonly ResetRow[]): string {
  return tableOf(
    ['PARTITION', 'POSITION', 'COME AGAIN', 'GIVEN UP'],
    rows.map(({ partition, high, lost, again, givenUp }) => [
      String(partition),
      lost ? 'lost' : String(high ?? '-'),
      lost ? `up to ${again}` : String(again),
      lost ? `up to ${givenUp}` : String(givenUp),
    ]),
  );
}

/** What becomes of parked aggregates. */
export const PARKED_NOTE =
  'letters of parked aggregates whose events come again are removed by the new owners, all others stay parked';
