import { CHECKERS, type CheckerName } from '../oracle/finding.js';
import { CLUSTER_FAULT_KINDS, REPLICA_FAULT_KINDS } from './nemesis-plan.js';
import type { Profile } from './profile.js';
import type { RunResult } from './run-once.js';

const SHOWN_FINDINGS = 5;
const REST = [
  'at-rest',
  'bounds',
  'window',
  'isolation',
  'no-deaf-worker',
  'poison-found',
  'regression-noticed',
] as const satisfies readonly CheckerName[];

/** The value below which a share of the numbers lies; undefined without any. */
export function quantile(numbers: readonly number[], share: number): number | undefined {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function countOf(runs: readonly RunResult[], ...checkers: readonly CheckerName[]): number {
  return sum(runs.map(({ findings }) => findings.filter(({ checker }) => checkers.includes(checker)).length));
}

/** Prints one run's line, and what is wrong with it. */
export function printRun(run: RunResult): void {
  const { evidence, findings } = run;
  const figures =
    `${run.events} events, ${run.starts} starts, ${run.faultCount} faults, ${evidence.takeovers} takeovers, ` +
    `${evidence.replays} replays, ${evidence.staleOverlaps} stale overlaps, ${evidence.refusedWrites} effects refused, ` +
    `${evidence.refusedPositions} positions refused`;
  console.log(
    `seed ${run.seed} on ${run.serverVersion}: ${figures}: ${findings.length === 0 ? 'green' : 'RED'}`,
  );
  for (const { checker, text } of findings.slice(0, SHOWN_FINDINGS)) console.log(`  ${checker} ${text}`);
  if (findings.length > SHOWN_FINDINGS) console.log(`  and ${findings.length - SHOWN_FINDINGS} more`);
  if (run.folder !== undefined) console.log(`  journals and findings.json: ${run.folder}`);
}

/** What all runs together lack to be a proof; undefined if nothing. */
export function whyVoid(runs: readonly RunResult[], { least }: Profile): string | undefined {
  const found = {
    faults: sum(runs.map(({ faultCount }) => faultCount)),
    takeovers: sum(runs.map(({ evidence }) => evidence.takeovers)),
    replays: sum(runs.map(({ evidence }) => evidence.replays)),
  };
  for (const what of ['faults', 'takeovers', 'replays'] as const) {
    const expected = least[what] * runs.length;
    if (found[what] < expected) return `expected at least ${expected} ${what}, found ${found[what]}`;
  }
  return undefined;
}

/** Prints the table of all runs, without the promises that were not looked at. */
export function printTable(runs: readonly RunResult[], without: readonly CheckerName[] = []): void {
  const judged = Object.entries(CHECKERS).filter(([name]) => !without.includes(name as CheckerName));
  const rows: [string, string][] = judged.map(([name, promise]) => {
    const count = countOf(runs, name as CheckerName);
    return [`${name}: ${promise}`, count === 0 ? 'holds' : `BROKEN ${count} times`];
  });
  for (const kind of new Set([...CLUSTER_FAULT_KINDS, ...REPLICA_FAULT_KINDS])) {
    const count = sum(runs.map(({ faults }) => faults.get(kind) ?? 0));
    if (count > 0) rows.push([`fault ${kind}`, String(count)]);
  }
  const width = Math.max(...rows.map(([what]) => what.length));
  console.log('');
  for (const [what, value] of rows) console.log(`${what.padEnd(width)}   ${value}`);
  console.log('');
}

/** The line that machines read. */
export function summaryOf(runs: readonly RunResult[], sabotageCaught: string): string {
  const evidence = runs.map((run) => run.evidence);
  return JSON.stringify({
    runs: runs.length,
    events: sum(runs.map(({ events }) => events)),
    orderViolations: countOf(runs, 'order', 'publish-order', 'settled-stays-settled', 'fencing'),
    lost: countOf(runs, 'nothing-lost', 'unknown-event', 'positions-tell-the-truth'),
    overlaps: countOf(runs, 'one-owner'),
    unsettled: countOf(runs, ...REST),
    faults: sum(runs.map(({ faultCount }) => faultCount)),
    takeovers: sum(evidence.map(({ takeovers }) => takeovers)),
    replays: sum(evidence.map(({ replays }) => replays)),
    staleOverlaps: sum(evidence.map(({ staleOverlaps }) => staleOverlaps)),
    refusedWrites: sum(evidence.map(({ refusedWrites }) => refusedWrites)),
    refusedPositions: sum(evidence.map(({ refusedPositions }) => refusedPositions)),
    unheardClaims: sum(evidence.map(({ unheardClaims }) => unheardClaims)),
    takeoverP99Ms: quantile(
      evidence.flatMap(({ takeoverMs }) => takeoverMs),
      0.99,
    ),
    failoverMs: quantile(
      evidence.flatMap(({ failoverMs }) => failoverMs),
      0.5,
    ),
    sabotageCaught,
  });
}
