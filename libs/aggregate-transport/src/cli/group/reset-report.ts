import { counted } from '../../counted.js';
import type { ResetLetters, ResetPlan, ResetRow } from '../../operating/groups/reset-plan.js';
import { tableOf } from '../command/table.js';

/** One line for people about all partitions. Pure. */
export function describeReset(plan: ResetPlan): string {
  const { start, removedFrom, first, last, rows, aggregates, letters } = plan;
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
  // Events that were stored since the last sequence was read only make this number smaller.
  const missing = last - Math.max(start.sequence, first - 1) - plan.events;
  const gaps =
    missing <= 0
      ? ''
      : `; ${counted(missing, 'event')} from there on ${missing === 1 ? 'was' : 'were'} removed from the middle of the ` +
        'stream: they do not come again, and count as lost (events-lost) unless aggregate purge removed them';
  const lost = rows.filter((row) => row.lost).length;
  const upTo = lost === 0 ? '' : 'up to ';
  const why =
    lost === 0
      ? ''
      : `; the positions of ${lost} of ${rows.length} partitions are lost, so nothing tells what was settled there`;
  return (
    `${plan.lost ? 'its record is lost; ' : ''}${from}${removed}${gaps}; ${upTo}${sum(({ again }) => again)} events come again, ` +
    `${upTo}${sum(({ givenUp }) => givenUp)} unsettled ones are given up${why}; all that is handled from there on is ${counted(plan.events, 'event')} of ` +
    `up to ${counted(aggregates, 'aggregate')}; ${describeLetters(letters)}`
  );
}

function describeLetters({ removed, unparked, kept, isExact }: ResetLetters): string {
  if (removed + kept === 0) return 'no aggregate is parked';
  const upTo = isExact ? '' : 'up to ';
  return (
    `${upTo}${counted(removed, 'letter')} of parked aggregates ${removed === 1 ? 'is' : 'are'} removed, because their ` +
    `events come again, so ${upTo}${unparked} of them are parked no more; ${kept} stay`
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
