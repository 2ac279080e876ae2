/** What is known of any run of any part. */
interface JudgedRun<C extends string> {
  readonly findings: readonly { readonly checker: C }[];
}

/** When to stop: after so many seeds, or at this time on the monotonic clock. */
export interface SeedLimits {
  readonly seeds: number;
  readonly untilMs: number | undefined;
}

/** Runs one after the other, by number or by time, or until one of the given checkers has turned red. */
export async function runSeeds<C extends string, R extends JudgedRun<C>>(
  { seeds, untilMs }: SeedLimits,
  until: readonly C[],
  runNext: (index: number) => Promise<R>,
): Promise<R[]> {
  const runs: R[] = [];
  const goesOn = (): boolean =>
    untilMs === undefined ? runs.length < seeds : runs.length === 0 || performance.now() < untilMs;
  while (goesOn()) {
    const run = await runNext(runs.length);
    runs.push(run);
    if (run.findings.some(({ checker }) => until.includes(checker))) break;
  }
  return runs;
}

/**
 * Every sabotage must turn one of its checkers red, in one of its runs. Resolves with all runs, and how many were
 * caught.
 */
export async function sabotageEach<C extends string, R extends JudgedRun<C>, Rule extends string>(
  rules: readonly Rule[],
  checkersOf: (rule: Rule) => readonly C[],
  runsOf: (rule: Rule, until: readonly C[]) => Promise<R[]>,
): Promise<{ runs: R[]; caught: number }> {
  const all: R[] = [];
  let caught = 0;
  for (const rule of rules) {
    const expected = checkersOf(rule);
    const runs = await runsOf(rule, expected);
    const red = new Set(runs.flatMap(({ findings }) => findings.map(({ checker }) => checker)));
    const isCaught = expected.some((checker) => red.has(checker));
    if (isCaught) caught++;
    const found = red.size === 0 ? 'none' : [...red].join(', ');
    console.log(
      `sabotage ${rule}: ${isCaught ? 'caught' : 'NOT CAUGHT'}; red: ${found}, of ${expected.join(', ')}`,
    );
    all.push(...runs);
  }
  return { runs: all, caught };
}
