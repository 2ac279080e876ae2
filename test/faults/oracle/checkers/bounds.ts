import { decodeUnsettled } from '../../harness/position-tap.js';
import { type Finding, groupBy } from '../finding.js';
import type { Attempt, History } from '../history.js';

/**
 * `bounds`: an owner runs no more handlers at once than its share of `concurrency`, and no position lists more
 * unsettled events than its window.
 */
export function checkBounds({
  attempts,
  positions,
  consumers,
}: Pick<History, 'attempts' | 'positions' | 'consumers'>): Finding[] {
  const findings: Finding[] = [];
  const { concurrency, partitions } = consumers;
  const share = Math.ceil(concurrency / partitions);
  const owners = groupBy(attempts, ({ worker, partition }) => `${worker}, partition ${partition}`);
  for (const [owner, ofOwner] of owners) {
    const most = mostAtOnce(ofOwner);
    if (most > share)
      findings.push({ checker: 'bounds', text: `${owner} ran ${most} handlers at once, not ${share}` });
  }
  for (const { partition, epoch, write, unsettled, window } of positions) {
    const count = decodeUnsettled(unsettled).length;
    if (count <= window) continue;
    const text = `write ${write} of epoch ${epoch} of partition ${partition} lists ${count} unsettled events, and its window is ${window}`;
    findings.push({ checker: 'bounds', text });
  }
  return findings;
}

function mostAtOnce(attempts: readonly Attempt[]): number {
  const steps = attempts.flatMap(({ start, end }) => [
    { at: start, by: 1 },
    { at: end, by: -1 },
  ]);
  steps.sort((a, b) => a.at - b.at || a.by - b.by);
  let now = 0;
  return steps.reduce((most, { by }) => Math.max(most, (now += by)), 0);
}
