import { wasDisturbed } from './excuses.js';
import { describeRun, type Find, findingsOf, type OrderFinding } from './finding.js';
import { byStart, groupBy, type HandlerRun, type RunHistory } from './run-history.js';
import { staleStarts } from './stale-starts.js';

type Judged = Pick<RunHistory, 'runs' | 'disturbances' | 'leaseTtlMs'>;

/**
 * `one-owner`:
 *
 * 1. A token of a partition belongs to one process.
 * 2. No event starts under a token after a newer one had begun. After a freeze one start is excused: it was decided
 *    before.
 * 3. An aggregate has one handler at a time. The handler of an owner that cannot know of its loss is excused.
 */
export function checkOwners(history: Judged): OrderFinding[] {
  return findingsOf('one-owner', (find) => {
    judgeTokens(history, find);
    for (const { run, newer, isExcused } of staleStarts(history))
      if (!isExcused)
        find(
          run.aggregateId,
          [run.number],
          `${run.aggregateId}: started ${describeRun(run)}, when token ${newer} of partition ${run.partition} had begun`,
        );
    for (const { older, newer, isExcused } of overlapsIn(history))
      if (!isExcused)
        find(
          newer.aggregateId,
          [older.number, newer.number],
          `${newer.aggregateId}: ${describeRun(newer)}, while another handler ran: ${describeRun(older)}`,
        );
  });
}

function judgeTokens({ runs }: Judged, find: Find): void {
  for (const [name, ofToken] of groupBy(byStart(runs), ({ partition, token }) => `${partition} ${token}`)) {
    const [first] = ofToken;
    const other = ofToken.find(({ process }) => process !== first?.process);
    if (first === undefined || other === undefined) continue;
    const [partition, token] = name.split(' ');
    find(
      other.aggregateId,
      [other.number],
      `token ${token ?? ''} of partition ${partition ?? ''} belongs to ${first.process} and to ${other.process}`,
    );
  }
}

/** Two handlers of one aggregate at the same time. */
export interface Overlap {
  readonly older: HandlerRun;
  readonly newer: HandlerRun;
  readonly isExcused: boolean;
}

export function overlapsIn(history: Judged): Overlap[] {
  return [...groupBy(byStart(history.runs), ({ aggregateId }) => aggregateId).values()].flatMap((runs) => {
    const overlaps: Overlap[] = [];
    let open: HandlerRun[] = [];
    for (const newer of runs) {
      open = open.filter(({ end }) => end > newer.start);
      for (const older of open) overlaps.push({ older, newer, isExcused: isExcused(history, older, newer) });
      open.push(newer);
    }
    return overlaps;
  });
}

/** Nothing can stop a handler that runs in a frozen or cut-off process; its successor elsewhere may start. */
function isExcused(history: Judged, running: HandlerRun, starting: HandlerRun): boolean {
  if (running.process === starting.process || running.token === starting.token) return false;
  const older = running.token < starting.token ? running : starting;
  return wasDisturbed(history, older, starting.start);
}
