import { sum } from '../consumer/report.js';
import { CHECKERS, type CheckerName } from './finding.js';
import { COMBINATIONS, nameOf, SPECIALS } from './nemesis-plan.js';
import type { RunResult } from './run-once.js';
import { STEP_NAMES } from './steps.js';

const SHOWN_FINDINGS = 6;

function countOf(runs: readonly RunResult[], ...checkers: readonly CheckerName[]): number {
  return sum(runs.map(({ findings }) => findings.filter(({ checker }) => checkers.includes(checker)).length));
}

/** Prints one run's line, and what is wrong with it. */
export function printRun(run: RunResult): void {
  const { evidence, findings, lack, faultCount, missed, resets, seconds } = run;
  const figures = Object.entries(evidence).map(([what, count]) => `${count} ${what}`);
  const color = findings.length > 0 ? 'RED' : lack !== undefined ? `VOID: ${lack}` : 'green';
  console.log(
    `seed ${run.seed} on ${run.versions}: ${run.events} stored, ${run.effects} effects, ${faultCount} faults, ` +
      `${missed} missed, ${resets} resets, ${figures.join(', ')}, ${seconds} s: ${color}`,
  );
  for (const { checker, text } of findings.slice(0, SHOWN_FINDINGS)) console.log(`  ${checker} ${text}`);
  if (findings.length > SHOWN_FINDINGS) console.log(`  and ${findings.length - SHOWN_FINDINGS} more`);
  if (run.folder !== undefined) console.log(`  journals and findings.json: ${run.folder}`);
}

/** Every step with every target and way, and every special fault, that no run had. */
export function neverHit(runs: readonly RunResult[]): string[] {
  const names = [...COMBINATIONS, ...SPECIALS].map(nameOf);
  return names.filter((name) => !runs.some(({ hit }) => hit.has(name)));
}

/** Prints the table of all runs. */
export function printTable(runs: readonly RunResult[]): void {
  const rows: [string, string][] = Object.entries(CHECKERS).map(([name, promise]) => {
    const count = countOf(runs, name as CheckerName);
    return [`${name}: ${promise}`, count === 0 ? 'holds' : `BROKEN ${count} times`];
  });
  const hits = (pattern: string): number =>
    sum(
      runs.flatMap(({ hit }) =>
        [...hit].map(([what, count]) => (what === pattern || what.startsWith(`${pattern} ×`) ? count : 0)),
      ),
    );
  for (const step of STEP_NAMES) rows.push([`at ${step}`, `${hits(step)} faults`]);
  for (const special of SPECIALS) rows.push([special, `${hits(special)} times`]);
  const missing = neverHit(runs).length;
  rows.push(['combinations of step, target and way, and special faults', `${missing} never hit`]);
  const width = Math.max(...rows.map(([what]) => what.length));
  console.log('');
  for (const [what, value] of rows) console.log(`${what.padEnd(width)}   ${value}`);
  console.log('');
}

/** The line that machines read. */
export function summaryOf(runs: readonly RunResult[], sabotageCaught: string): string {
  const total = (what: keyof RunResult['evidence']): number =>
    sum(runs.map(({ evidence }) => evidence[what]));
  return JSON.stringify({
    runs: runs.length,
    events: sum(runs.map(({ events }) => events)),
    effects: sum(runs.map(({ effects }) => effects)),
    ...Object.fromEntries(
      Object.keys(CHECKERS).map((name) => [name, countOf(runs, name as CheckerName)] as const),
    ),
    faults: sum(runs.map(({ faultCount }) => faultCount)),
    missed: sum(runs.map(({ missed }) => missed)),
    neverHit: neverHit(runs).length,
    resets: sum(runs.map(({ resets }) => resets)),
    void: runs.filter(({ lack }) => lack !== undefined).length,
    ...{ deadlocks: total('deadlocks'), rolledBack: total('rolledBack'), repeats: total('repeats') },
    ...{ fenced: total('fenced'), takeovers: total('takeovers') },
    seconds: sum(runs.map(({ seconds }) => seconds)),
    sabotageCaught,
  });
}
