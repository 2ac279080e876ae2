import { parseArgs } from 'node:util';
import { runSeeds, sabotageEach } from '../harness/seeds.js';
import { rulesNamed, UsageError } from '../harness/usage.js';
import type { CheckerName } from './finding.js';
import { tellLateOwner } from './late-owner.js';
import { planNamed } from './nemesis-plan.js';
import { type Profile, type ProfileName, PROFILES } from './profile.js';
import { neverHit, printRun, printTable, summaryOf } from './report.js';
import { runOnce, type RunResult } from './run-once.js';
import { type RowRule, SABOTAGES } from './sabotage.js';

// --story: only the frozen owner that wakes up late; see late-owner.ts.
// Ends with 0 if every promise held and enough happened; with sabotage, if every sabotage was caught.

const SABOTAGED_SEEDS = 3;
export const USAGE =
  'usage: npm run test:faults -- --part postgres [--profile short|full] [--seeds N] [--seed S] [--server 2.10|2.15] ' +
  '[--sabotage RULE|all] [--story]';

/** Of a sabotage that random faults show: so many of them are enough. */
const SABOTAGED_STEPS = 6;

interface Given {
  readonly profile: Profile;
  readonly firstSeed: number;
  readonly seeds: number;
  readonly serverVersion: string;
}

function runAll(
  { profile, firstSeed, seeds, serverVersion }: Given,
  sabotage?: RowRule,
  until: readonly CheckerName[] = [],
): Promise<RunResult[]> {
  return runSeeds({ seeds, untilMs: undefined }, until, async (index) => {
    const seed = firstSeed + index;
    console.log(`postgres, seed ${seed} begins`);
    const options = { seed, serverVersion, say: (text: string) => console.log(text) };
    const story = sabotage === undefined ? undefined : SABOTAGES[sabotage].story;
    const run =
      story === undefined
        ? await runOnce({ ...options, profile, sabotage })
        : await story({ ...options, sabotage });
    printRun(run);
    return run;
  });
}

/** Faults whose step never came, in a run of their own. */
async function makeUp(
  runs: readonly RunResult[],
  { profile, firstSeed, serverVersion }: Given,
): Promise<RunResult[]> {
  const missing = runs.length < profile.allWithin ? [] : neverHit(runs);
  if (missing.length === 0) return [];
  const seed = firstSeed + runs.length;
  console.log(`postgres, seed ${seed} makes up for ${missing.join(', ')}`);
  const run = await runOnce({
    ...{ seed, serverVersion, say: (text: string) => console.log(text) },
    profile: { ...profile, least: { faults: 1, events: 1 } },
    faults: planNamed(missing, seed),
  });
  printRun(run);
  return [run];
}

async function prove(given: Given): Promise<boolean> {
  const seeds = await runAll(given);
  const runs = [...seeds, ...(await makeUp(seeds, given))];
  printTable(runs);
  const missing = runs.length < given.profile.allWithin ? [] : neverHit(runs);
  const lack =
    runs.find((run) => run.lack !== undefined)?.lack ??
    (missing.length > 0 ? `no fault ${missing.join(', ')}` : undefined);
  if (lack !== undefined) console.log(`VOID: ${lack}; it proves nothing\n`);
  console.log(summaryOf(runs, '0/0'));
  return lack === undefined && runs.every(({ findings }) => findings.length === 0);
}

/** Runs the part that is about the way from a committed row to a committed row; true if all is well. */
export async function runPostgres(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      part: { type: 'string' },
      profile: { type: 'string', default: 'full' },
      seeds: { type: 'string' },
      seed: { type: 'string' },
      server: { type: 'string', default: '2.15' },
      sabotage: { type: 'string' },
      story: { type: 'boolean', default: false },
    },
  });
  if (!Object.hasOwn(PROFILES, values.profile)) throw new UsageError(`no profile ${values.profile}`);
  const profile: Profile = PROFILES[values.profile as ProfileName];
  const rules = rulesNamed(SABOTAGES, values.sabotage);
  const seeds = rules === undefined ? profile.seeds : SABOTAGED_SEEDS;
  const given: Given = {
    profile: rules === undefined ? profile : { ...profile, steps: SABOTAGED_STEPS },
    firstSeed: values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed),
    seeds: values.seeds === undefined ? seeds : Number(values.seeds),
    serverVersion: values.server,
  };
  if (values.story) {
    const told = await tellLateOwner({ seed: given.firstSeed, serverVersion: given.serverVersion });
    printRun(told);
    return told.lack === undefined && told.findings.length === 0;
  }
  if (rules === undefined) return prove(given);
  const { runs, caught } = await sabotageEach(
    rules,
    (rule) => SABOTAGES[rule].checkers,
    (rule, until) => runAll(given, rule, until),
  );
  console.log(summaryOf(runs, `${caught}/${rules.length}`));
  return caught === rules.length;
}
