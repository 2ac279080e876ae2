/** One line of the verdict. A line that must hold decides the exit code; the others inform. */
export interface VerdictLine {
  readonly what: string;
  readonly value: string | number;
  /** Absent: no promise, only a figure. */
  readonly holds?: boolean;
}

/** Prints the verdict as a table; true if every promise held. */
export function printVerdict(title: string, lines: readonly VerdictLine[]): boolean {
  const rows = lines.map(({ what, value, holds }) => [
    what,
    typeof value === 'number' ? value.toLocaleString('en') : value,
    holds === undefined ? '' : holds ? 'holds' : 'BROKEN',
  ]);
  const widths = [0, 1, 2].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const [first = 0, second = 0, third = 0] = widths;
  const rule = '-'.repeat(first + second + third + 6);
  console.log(`\n${title}\n${rule}`);
  for (const [what = '', value = '', holds = ''] of rows) {
    console.log(`${what.padEnd(first)}   ${value.padStart(second)}   ${holds}`);
  }
  const kept = lines.every(({ holds }) => holds !== false);
  console.log(`${rule}\n${kept ? 'every promise held' : 'A PROMISE WAS BROKEN'}`);
  return kept;
}

/** The value below which a share of the sorted numbers lies. */
export function quantile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
