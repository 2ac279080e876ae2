import type { LayoutPlace } from '../../consumer/repartition/repartition-ports.js';
import { inParallel, REQUESTS_AT_ONCE } from '../../in-parallel.js';
import type { GroupRecord } from '../../records/group-record.js';
import { identityOf, type StoredMarker } from '../../records/marker.js';
import { decodeSequences, isReadable, type PositionRecord } from '../../records/position-record.js';
import type { GroupPorts } from './group-ports.js';
import type { ResolvedTarget } from './reset-target.js';

/** What a reset means for one partition of the layout in force. */
export interface ResetRow {
  /** Its number, from 0. */
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

/** What becomes of the group's parked aggregates. */
export interface ResetLetters {
  /** Letters whose events come again: the new owners remove them. */
  readonly removed: number;
  /** Aggregates that lose all their letters so, and are parked no more. */
  readonly unparked: number;
  /** Letters that stay, because their events do not come again. */
  readonly kept: number;
  /** False if there were too many letters to read: `removed` and `unparked` are upper bounds then. */
  readonly isExact: boolean;
}

/** What a reset will do. */
export interface ResetPlan extends ResolvedTarget {
  /** The group's record is lost, and is made again. */
  readonly lost: boolean;
  /** Of the partitions together: events that are handled (again) from the new beginning on, up to now. */
  readonly events: number;
  /** At most so many aggregates have such events; exact if the group begins at the start of its stream. */
  readonly aggregates: number;
  /** What becomes of the group's parked aggregates. */
  readonly letters: ResetLetters;
  /** One for each partition of the layout in force. */
  readonly rows: readonly ResetRow[];
}

/** Letters that are read to learn which events they hold; more of them are counted as if all events came again. */
const MAX_LETTERS_READ = 20_000;
const LETTERS_AT_ONCE = 256;
const LETTER_BYTES_AT_ONCE = 4 * 2 ** 20;

/**
 * Tells what a reset gives up and repeats. Events of other partitions that a split left in a list are counted too. A
 * lost position may have settled any event, or none.
 * @throws JETSTREAM_REQUEST_FAILED
 */
export async function planReset(
  ports: GroupPorts,
  group: GroupRecord,
  { target, lost }: { readonly target: ResolvedTarget; readonly lost: boolean },
): Promise<ResetPlan> {
  const { start } = target;
  const [rows, events, stored, letters] = await Promise.all([
    rowsOf(ports, group, target),
    ports.countAfter({ partitions: 1, partition: 0 }, start.sequence),
    ports.aggregates(),
    lettersOf(ports, start),
  ]);
  return { ...target, lost, events, aggregates: Math.min(stored, events), letters, rows };
}

async function rowsOf(ports: GroupPorts, group: GroupRecord, { start }: ResolvedTarget): Promise<ResetRow[]> {
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
async function wasWritten(ports: GroupPorts, place: LayoutPlace, group: GroupRecord): Promise<boolean> {
  return group.hasRecords || wasClaimed(ports, place);
}

async function wasClaimed(ports: GroupPorts, place: LayoutPlace): Promise<boolean> {
  return (await ports.lease(place).read()).value?.claimed === true;
}

/** The most that a partition of which nothing is known may give up and repeat. */
async function boundsOf(
  ports: GroupPorts,
  place: LayoutPlace,
  { sequence }: ResolvedTarget['start'],
): Promise<Pick<ResetRow, 'givenUp' | 'again'>> {
  const all = await ports.countAfter(place, 0);
  const again = await ports.countAfter(place, sequence);
  return { givenUp: Math.max(0, all - again), again };
}

interface Question {
  readonly ports: GroupPorts;
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

/** The letters of an aggregate are in the order of its events, so those that come again are its last ones. */
async function lettersOf(ports: GroupPorts, start: ResolvedTarget['start']): Promise<ResetLetters> {
  const [markers, counts] = await Promise.all([ports.parked.markers(), ports.parked.letterCounts()]);
  const all = markers.reduce((sum, { token }) => sum + (counts.get(token) ?? 0), 0);
  if (all > MAX_LETTERS_READ) return { removed: all, unparked: markers.length, kept: 0, isExact: false };
  const found = await inParallel(markers, REQUESTS_AT_ONCE, (marker) => countLetters(ports, marker, start));
  const removed = found.reduce((sum, one) => sum + one.removed, 0);
  const kept = found.reduce((sum, one) => sum + one.kept, 0);
  return { removed, unparked: found.filter((one) => one.kept === 0).length, kept, isExact: true };
}

async function countLetters(
  { parked }: GroupPorts,
  marker: StoredMarker,
  { sequence, created }: ResolvedTarget['start'],
): Promise<{ removed: number; kept: number }> {
  const identity = identityOf(marker);
  const limits = { count: LETTERS_AT_ONCE, maxBytes: LETTER_BYTES_AT_ONCE };
  let [removed, kept] = [0, 0];
  for (let after = 0; ;) {
    const letters = await parked.page(marker.token, after, limits);
    for (const { note, position } of letters) {
      after = position;
      if (note.marker !== identity) continue;
      if (note.stream === created && note.sequence > sequence) removed++;
      else kept++;
    }
    if (letters.length === 0) return { removed, kept };
  }
}
