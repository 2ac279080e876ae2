import { parseArgs } from 'node:util';
import { PROFILES, type ProfileName } from './profile.js';
import type { SabotagedRule } from '#library/no-sabotage.js';
import type { CheckerName } from './finding.js';
import { countOf, printRun, printTable, summaryOf, whyVoid } from './report.js';
import { runOnce, type RunResult } from './run-once.js';
import { SABOTAGES } from './sabotage.js';

// npm run test:faults -- [--profile short|full] [--seeds N] [--seed S] [--minutes M] [--server 2.10|2.15]
//   [--processes 1|3] [--sabotage RULE|all]
// Ends with 0 if every promise held and enough happened; with sabotage, if every sabotage was caught.

const USAGE =
  'usage: npm run test:faults -- [--profile short|full] [--seeds N] [--seed S] [--minutes M] ' +
  '[--server 2.10|2.15] [--processes 1|3] [--sabotage RULE|all]';
const EVERY_RULE = 'all';

class UsageError extends Error {}

function readArguments() {
  const { values } = parseArgs({
    options: {
      profile: { type: 'string', default: 'full' },
      seeds: { type: 'string' },
      seed: { type: 'string' },
      minutes: { type: 'string' },
      server: { type: 'string', default: '2.15' },
      processes: { type: 'string', default: '3' },
      sabotage: { type: 'string' },
    },
  });
  if (!Object.hasOwn(PROFILES, values.profile)) throw new UsageError(`no profile ${values.profile}`);
  const known = Object.keys(SABOTAGES) as SabotagedRule[];
  const named = values.sabotage === EVERY_RULE ? known : values.sabotage?.split(',');
  const rules = named?.map((name) => {
    const rule = known.find((one) => one === name);
    if (rule !== undefined) return rule;
    throw new UsageError(`no rule ${name} to sabotage; there are ${known.join(', ')}`);
  });
  const profile = PROFILES[values.profile as ProfileName];
  return {
    profile,
    rules,
    firstSeed: values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed),
    seeds: values.seeds === undefined ? profile.seeds : Number(values.seeds),
    untilMs: values.minutes === undefined ? undefined : Number(values.minutes) * 60_000,
    serverVersion: values.server,
    processes: Number(values.processes),
  };
}

type Arguments = ReturnType<typeof readArguments>;

function say(text: string): void {
  console.log(text);
}

/** Runs seed after seed, by number or by time, or until one of the given checkers has turned red. */
async function runSeeds(
  given: Arguments,
  sabotage?: SabotagedRule,
  until: readonly CheckerName[] = [],
): Promise<RunResult[]> {
  const { profile, firstSeed, seeds, untilMs, serverVersion, processes } = given;
  const runs: RunResult[] = [];
  const goesOn = (): boolean =>
    untilMs === undefined ? runs.length < seeds : runs.length === 0 || performance.now() < untilMs;
  while (goesOn()) {
    const run = await runOnce({
      ...{ seed: firstSeed + runs.length, serverVersion, processes, profile, sabotage, say },
    });
    printRun(run);
    runs.push(run);
    if (countOf(runs, ...until) > 0) break;
  }
  return runs;
}

/** Every promise must hold, and enough must have happened. */
async function prove(given: Arguments): Promise<boolean> {
  const runs = await runSeeds(given);
  printTable(runs);
  const lack = whyVoid(runs, given.profile);
  if (lack !== undefined) console.log(`VOID: ${lack}; the runs prove nothing\n`);
  console.log(summaryOf(runs, '0/0'));
  return lack === undefined && runs.every(({ findings }) => findings.length === 0);
}

/** Every sabotage must turn one of its checkers red, in one of its seeds. */
async function sabotageAll(given: Arguments, rules: readonly SabotagedRule[]): Promise<boolean> {
  const all: RunResult[] = [];
  let caught = 0;
  for (const rule of rules) {
    const expected = SABOTAGES[rule].checkers;
    const runs = await runSeeds(given, rule, expected);
    const red = new Set(runs.flatMap(({ findings }) => findings.map(({ checker }) => checker)));
    const isCaught = expected.some((checker) => red.has(checker));
    if (isCaught) caught++;
    const found = red.size === 0 ? 'none' : [...red].join(', ');
    console.log(
      `sabotage ${rule}: ${isCaught ? 'caught' : 'NOT CAUGHT'}; red: ${found}, of ${expected.join(', ')}`,
    );
    all.push(...runs);
  }
  console.log(summaryOf(all, `${caught}/${rules.length}`));
  return caught === rules.length;
}

// Child processes, frozen ones too, are killed by an orderly exit of this one.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

try {
  const given = readArguments();
  const good = given.rules === undefined ? await prove(given) : await sabotageAll(given, given.rules);
  process.exitCode = good ? 0 : 1;
} catch (error) {
  const known =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  if (known !== true) throw error;
  console.error(`${(error as Error).message}\n${USAGE}`);
  process.exitCode = 2;
}
