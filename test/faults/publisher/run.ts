import { parseArgs } from 'node:util';
import type { PublisherRule } from '#library/sabotage.js';
import type { CheckerName } from './finding.js';
import { FAULT_KINDS, type FaultKind } from './nemesis-plan.js';
import { LONG_RUNS } from './long-runs.js';
import { type Profile, PROFILES, type ProfileName } from './profile.js';
import { printRun, printTable, summaryOf } from './report.js';
import { runOnce, type RunResult } from './run-once.js';
import { SABOTAGES } from './sabotage.js';
import { runSeeds, sabotageEach } from '../harness/seeds.js';
import { rulesNamed, UsageError } from '../harness/usage.js';

export const USAGE =
  'usage: npm run test:faults -- --part publisher [--profile short|full|step-downs|frozen-server|memory|rivals] [--seeds N] ' +
  '[--seed S] [--minutes M] [--server 2.10|2.15] [--replicas 1|3] [--faults KIND,KIND] [--sabotage RULE|all]';

/** Every so many seeds run on a cluster of three, unless `--replicas` says otherwise. */
const CLUSTER_EVERY = 4;
/** So many full runs must have had every kind of fault. */
const ALL_KINDS_WITHIN = 6;

interface Given {
  readonly profile: ProfileName;
  readonly rules: readonly PublisherRule[] | undefined;
  readonly firstSeed: number;
  readonly seeds: number;
  readonly untilMs: number | undefined;
  readonly serverVersion: string;
  readonly replicas: 1 | 3 | undefined;
  /** The only kinds of fault; undefined for all that the server knows. */
  readonly kinds: readonly FaultKind[] | undefined;
}

function kindsOf(named: string | undefined): readonly FaultKind[] | undefined {
  return named?.split(',').map((name) => {
    const kind = FAULT_KINDS.find((one) => one === name);
    if (kind !== undefined) return kind;
    throw new UsageError(`no fault ${name}; there are ${FAULT_KINDS.join(', ')}`);
  });
}

/** What all runs together lack to be a proof; undefined if nothing. */
function whyVoid(runs: readonly RunResult[], { kinds, seeds, profile }: Given): string | undefined {
  const lack = runs.find((run) => run.lack !== undefined)?.lack;
  if (
    lack !== undefined ||
    kinds !== undefined ||
    PROFILES[profile] !== PROFILES.full ||
    seeds < ALL_KINDS_WITHIN
  )
    return lack;
  const missing = FAULT_KINDS.filter((kind) => !runs.some(({ faults }) => faults.has(kind)));
  return missing.length === 0 ? undefined : `no fault of kind ${missing.join(', ')}`;
}

/** Runs what the arguments say; whether every promise held, and enough happened. */
export async function runPublisherPart(args: readonly string[]): Promise<boolean> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      part: { type: 'string' },
      profile: { type: 'string', default: 'full' },
      seeds: { type: 'string' },
      seed: { type: 'string' },
      minutes: { type: 'string' },
      server: { type: 'string', default: '2.15' },
      replicas: { type: 'string' },
      faults: { type: 'string' },
      sabotage: { type: 'string' },
    },
  });
  const { profile, server: serverVersion } = values;
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
  const longRun = LONG_RUNS[profile];
  if (longRun !== undefined) return longRun({ serverVersion, minutes });
  if (!Object.hasOwn(PROFILES, profile)) throw new UsageError(`no profile ${profile}`);
  const given: Given = {
    profile: profile as ProfileName,
    rules: rulesNamed(SABOTAGES, values.sabotage),
    firstSeed: values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed),
    seeds: values.seeds === undefined ? PROFILES[profile as ProfileName].seeds : Number(values.seeds),
    untilMs: minutes === undefined ? undefined : minutes * 60_000,
    serverVersion,
    kinds: kindsOf(values.faults),
    replicas: values.replicas === undefined ? undefined : values.replicas === '3' ? 3 : 1,
  };
  return given.rules === undefined ? prove(given) : sabotageAll(given, given.rules);
}

/** Runs seed after seed, by number or by time, or until one of the given checkers has turned red. */
function runAll(
  given: Given,
  sabotage?: PublisherRule,
  until: readonly CheckerName[] = [],
): Promise<RunResult[]> {
  const { profile, firstSeed, serverVersion } = given;
  return runSeeds(given, until, async (index) => {
    const seed = firstSeed + index;
    console.log(`publisher, seed ${seed} begins`);
    const { kinds, replicas: always }: Profile = PROFILES[profile];
    const replicas =
      always ?? given.replicas ?? (seed % CLUSTER_EVERY === 0 && sabotage === undefined ? 3 : 1);
    const run = await runOnce({
      ...{ seed, serverVersion, replicas, sabotage, kinds: given.kinds ?? kinds },
      profile: PROFILES[profile],
      say: (text) => console.log(text),
    });
    printRun(run);
    return run;
  });
}

async function prove(given: Given): Promise<boolean> {
  const runs = await runAll(given);
  printTable(runs);
  const lack = whyVoid(runs, given);
  if (lack !== undefined) console.log(`VOID: ${lack}; it proves nothing\n`);
  console.log(summaryOf(runs, '0/0'));
  return lack === undefined && runs.every(({ findings }) => findings.length === 0);
}

/** Every sabotage must turn one of its checkers red, in one of its seeds. */
async function sabotageAll(given: Given, rules: readonly PublisherRule[]): Promise<boolean> {
  const { runs, caught } = await sabotageEach(
    rules,
    (rule) => SABOTAGES[rule].checkers,
    (rule, until) => runAll(given, rule, until),
  );
  console.log(summaryOf(runs, `${caught}/${rules.length}`));
  return caught === rules.length;
}
