import { decodeUnsettled } from '../../harness/position-tap.js';
import { type Finding, groupBy } from '../finding.js';
import type { History, Ms, PositionWrite } from '../history.js';
import { partitionOf, type StoredEvent } from '../stored.js';

/** The tap may hear a position before the letter that allows it, if its process was busy meanwhile. */
const TAP_LATENESS_MS = 1_000;
const SHOWN_PER_WRITE = 3;

/**
 * `positions-tell-the-truth`: every event that a position calls settled had ended when the position was sent, or was on
 * its way into the parked stream. Refused writes are judged too: an owner writes what it knows, stored or not.
 */
export function checkPositionsTellTheTruth(
  history: Pick<History, 'attempts' | 'positions' | 'letters' | 'stored'>,
): Finding[] {
  const endedAt = firstEnds(history.attempts);
  const filedAt = new Map(history.letters.toReversed().map(({ seq, at }) => [seq, at - TAP_LATENESS_MS]));
  const isDone = (seq: number, by: Ms): boolean =>
    (endedAt.get(seq) ?? Infinity) <= by || (filedAt.get(seq) ?? Infinity) <= by;
  return [...groupBy(history.positions, ({ layout, partition }) => `${layout} ${partition}`).values()]
    .filter((writes) => !writes.some(({ hasOrigin }) => hasOrigin))
    .flatMap((writes) => {
      const { partition, partitions } = writes[0]!;
      const events = history.stored.filter((event) => partitionOf(event, partitions) === partition);
      return judge(events, writes, isDone);
    });
}

/** Each event is judged with the first write that calls it settled: later ones only repeat that. */
function judge(
  events: readonly StoredEvent[],
  writes: readonly PositionWrite[],
  isDone: (seq: number, by: Ms) => boolean,
): Finding[] {
  let open = [...events];
  return writes.flatMap(({ at, epoch, write, high, unsettled, partition }) => {
    const listed = new Set(decodeUnsettled(unsettled));
    const settles = ({ seq }: StoredEvent): boolean => seq <= high && !listed.has(seq);
    const settled = open.filter(settles);
    if (settled.length === 0) return [];
    open = open.filter((event) => !settles(event));
    const wrong = settled.filter(({ seq }) => !isDone(seq, at));
    return wrong.slice(0, SHOWN_PER_WRITE).map(({ key, n, seq }) => ({
      checker: 'positions-tell-the-truth' as const,
      text:
        `${key}: write ${write} of epoch ${epoch} of partition ${partition} at ${at} calls ${n} (sequence ${seq}) settled, ` +
        `and no handler had ended it (${wrong.length} such events)`,
    }));
  });
}

function firstEnds(attempts: History['attempts']): Map<number, Ms> {
  const ends = new Map<number, Ms>();
  for (const { seq, ok, end } of attempts)
    if (ok === true && end < (ends.get(seq) ?? Infinity)) ends.set(seq, end);
  return ends;
}
