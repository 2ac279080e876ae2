import { sum } from '../consumer/report.js';
import { CHECKERS, type CheckerName } from './finding.js';
import { FAULT_KINDS } from './nemesis-plan.js';
import type { Evidence } from './oracle.js';
import type { RunResult } from './run-once.js';

const SHOWN_FINDINGS = 6;

function countOf(runs: readonly RunResult[], ...checkers: readonly CheckerName[]): number {
  return sum(runs.map(({ findings }) => findings.filter(({ checker }) => checkers.includes(checker)).length));
}

/** Prints one run's line, and what is wrong with it. */
export function printRun(run: RunResult): void {
  const { evidence, findings, lack } = run;
  const figures = Object.entries(evidence).map(([what, count]) => `${count} ${what}`);
  const color = findings.length > 0 ? 'RED' : lack !== undefined ? `VOID: ${lack}` : 'green';
  console.log(
    `seed ${run.seed} on ${run.serverVersion} R${run.replicas}: ${run.events} stored, ${run.faultCount} faults, ` +
      `${figures.join(', ')}: ${color}`,
  );
  for (const { checker, text } of findings.slice(0, SHOWN_FINDINGS)) console.log(`  ${checker} ${text}`);
  if (findings.length > SHOWN_FINDINGS) console.log(`  and ${findings.length - SHOWN_FINDINGS} more`);
  if (run.folder !== undefined) console.log(`  journals and findings.json: ${run.folder}`);
}

/** Prints the table of all runs. */
export function printTable(runs: readonly RunResult[]): void {
  const rows: [string, string][] = Object.entries(CHECKERS).map(([name, promise]) => {
    const count = countOf(runs, name as CheckerName);
    return [`${name}: ${promise}`, count === 0 ? 'holds' : `BROKEN ${count} times`];
  });
  for (const kind of FAULT_KINDS) {
    const count = sum(runs.map(({ faults }) => faults.get(kind) ?? 0));
    const struck = sum(runs.map((run) => run.struck.get(kind) ?? 0));
    rows.push([`fault ${kind}`, `${count}, on a batch ${struck}`]);
  }
  const width = Math.max(...rows.map(([what]) => what.length));
  console.log('');
  for (const [what, value] of rows) console.log(`${what.padEnd(width)}   ${value}`);
  console.log('');
}

/** The line that machines read. */
export function summaryOf(runs: readonly RunResult[], sabotageCaught: string): string {
  const total = (what: keyof Evidence): number => sum(runs.map(({ evidence }) => evidence[what]));
  return JSON.stringify({
    runs: runs.length,
    events: sum(runs.map(({ events }) => events)),
    orderViolations: countOf(runs, 'order', 'wire'),
    holes: countOf(runs, 'hole'),
    copies: countOf(runs, 'copy'),
    unsettled: countOf(runs, 'unsettled', 'results', 'counters'),
    lost: countOf(runs, 'lost'),
    unhandledRejections: countOf(runs, 'process'),
    faults: sum(runs.map(({ faultCount }) => faultCount)),
    void: runs.filter(({ lack }) => lack !== undefined).length,
    resends: total('resends'),
    duplicates: total('duplicates'),
    unknown: total('unknown'),
    refused: total('refused'),
    batches: total('batches'),
    batchesRefused: total('batchesRefused'),
    batchesLost: total('batchesLost'),
    batchesUnfilled: total('batchesUnfilled'),
    sabotageCaught,
  });
}
