import type { Judgement } from './goal.js';
import { numberText } from './number-text.js';
import { ratioIn, type Section, spreadIn } from './section.js';
import type { Spread } from './statistics.js';

/** A section as a Markdown table: per contender the median of each metric with min and max, and the ratio to the baseline. */
export function tableOf(section: Section): string {
  const { metrics, baseline, contenders } = section;
  const first = metrics[0]?.key ?? '';
  const head = ['', ...metrics.map(({ unit }) => unit), `× ${baseline}`];
  const rows = contenders.map(({ name }) => [
    name,
    ...metrics.map(({ key }) => spreadText(spreadIn(section, name, key))),
    name === baseline ? '1' : spreadText(ratioIn(section, name, baseline, first)),
  ]);
  return `### ${section.title}\n\n${markdown([head, ...rows])}\n${section.notes.map((note) => `\n${note}\n`).join('')}`;
}

/** What was asked of a suite, and what came of it. */
export function goalsTable(judgements: readonly Judgement[]): string {
  const rows = judgements.map(({ goal, measured, verdict }) => [
    goal.text,
    limitText(goal.atLeast, goal.atMost),
    numberText(measured),
    verdict,
  ]);
  return markdown([['goal', 'asked', 'measured', ''], ...rows]);
}

function limitText(atLeast: number | undefined, atMost: number | undefined): string {
  if (atLeast !== undefined) return `≥ ${numberText(atLeast)}`;
  return atMost === undefined ? '' : `≤ ${numberText(atMost)}`;
}

function spreadText({ median, min, max }: Spread): string {
  if (min === max || Number.isNaN(median)) return numberText(median);
  return `${numberText(median)} (${numberText(min)}–${numberText(max)})`;
}

/** Rows as an aligned Markdown table; the first is the head. Columns after the first are numbers, to the right. */
export function markdown(rows: readonly (readonly string[])[]): string {
  const width = (column: number): number => Math.max(3, ...rows.map((row) => (row[column] ?? '').length));
  const line = (row: readonly string[]): string =>
    `| ${row.map((cell, column) => (column === 0 ? cell.padEnd(width(column)) : cell.padStart(width(column)))).join(' | ')} |`;
  const [head = [], ...body] = rows;
  const rule = head.map((_, column) =>
    column === 0 ? '-'.repeat(width(column)) : `${'-'.repeat(width(column) - 1)}:`,
  );
  return [line(head), line(rule), ...body.map(line)].join('\n');
}
