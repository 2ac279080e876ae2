import { parseArgs } from 'node:util';
import { LONG_PROFILES, runLong } from './long/long-profiles.js';
import { PROFILES, type ProfileName } from './consumer/profile.js';
import type { ConsumerRule } from '#library/sabotage.js';
import type { CheckerName } from './oracle/finding.js';
import { PARKING_USAGE, runParking } from './parking/run.js';
import { runPostgres, USAGE as POSTGRES_USAGE } from './postgres/run.js';
import { runRepartition, USAGE as REPARTITION_USAGE } from './repartition/run.js';
import { runPublisherPart, USAGE as PUBLISHER_USAGE } from './publisher/run.js';
import { REPLICAS_USAGE, runReplicas } from './replicas/run.js';
import { RESETS_USAGE, runResets } from './resets/run.js';
import { printRun, printTable, summaryOf, whyVoid } from './consumer/report.js';
import { runOnce, type RunResult } from './consumer/run-once.js';
import { SABOTAGES } from './sabotage.js';
import { runSeeds, sabotageEach } from './harness/seeds.js';
import { rulesNamed, UsageError } from './harness/usage.js';

// npm run test:faults -- [--profile short|full|hung|never-settles] [--seeds N] [--seed S] [--minutes M] [--server
// 2.10|2.15]
//   [--processes 1|3] [--sabotage RULE|all] [--cluster]
// --part publisher: the publisher's promises, see publisher/run.ts. --part parking: see parking/run.ts. --part
// replicas: see replicas/run.ts. --part repartition: see repartition/run.ts. --part resets: see resets/run.ts. --part
// postgres: see postgres/run.ts. Ends with 0 if every promise held and enough happened; with sabotage, if every
// sabotage was caught.

const USAGE =
  'usage: npm run test:faults -- [--profile short|full|hung|never-settles] [--seeds N] [--seed S] [--minutes M] ' +
  '[--server 2.10|2.15] [--processes 1|3] [--sabotage RULE|all] [--cluster]';
/** A sabotage that none of so many runs shows is not caught. */
const SABOTAGED_SEEDS = 4;
const MS_PER_MINUTE = 60_000;
const LONG_MS = 10 * MS_PER_MINUTE;

function readArguments() {
  const { values } = parseArgs({
    options: {
      part: { type: 'string', default: 'consumer' },
      /** A sabotage shows in a short run, or not at all. */
      profile: { type: 'string' },
      seeds: { type: 'string' },
      seed: { type: 'string' },
      minutes: { type: 'string' },
      server: { type: 'string', default: '2.15' },
      processes: { type: 'string', default: '3' },
      sabotage: { type: 'string' },
      cluster: { type: 'boolean', default: false },
    },
  });
  const profileName = values.profile ?? (values.sabotage === undefined ? 'full' : 'short');
  const long = LONG_PROFILES.find((name) => name === profileName);
  if (long === undefined && !Object.hasOwn(PROFILES, profileName))
    throw new UsageError(`no profile ${profileName}`);
  const rules = rulesNamed(SABOTAGES, values.sabotage);
  const profile = PROFILES[long === undefined ? (profileName as ProfileName) : 'full'];
  return {
    profile,
    long,
    rules,
    firstSeed: values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed),
    seeds:
      values.seeds === undefined
        ? rules === undefined
          ? profile.seeds
          : SABOTAGED_SEEDS
        : Number(values.seeds),
    minutesMs: values.minutes === undefined ? undefined : Number(values.minutes) * MS_PER_MINUTE,
    serverVersion: values.server,
    cluster: values.cluster,
    processes: Number(values.processes),
  };
}

type Arguments = ReturnType<typeof readArguments>;

function say(text: string): void {
  console.log(text);
}

/** Runs seed after seed, by number or by time, or until one of the given checkers has turned red. */
function runAll(
  given: Arguments,
  sabotage?: ConsumerRule,
  until: readonly CheckerName[] = [],
): Promise<RunResult[]> {
  const { profile, firstSeed, seeds, minutesMs: untilMs, processes } = given;
  const found = sabotage === undefined ? undefined : SABOTAGES[sabotage];
  const exposure = found === undefined || 'story' in found ? undefined : found;
  const cluster = given.cluster || exposure?.onCluster !== undefined;
  const serverVersion = exposure?.onCluster ?? given.serverVersion;
  return runSeeds({ seeds, untilMs }, until, async (index) => {
    console.log(`consumer, seed ${firstSeed + index} begins`);
    const run =
      found !== undefined && 'story' in found
        ? await found.story({ serverVersion, sabotage, cluster })
        : await runOnce({
            ...{
              seed: firstSeed + index,
              serverVersion,
              processes,
              profile,
              sabotage,
              cluster,
              say,
              exposure,
            },
          });
    printRun(run);
    return run;
  });
}

/** Every promise must hold, and enough must have happened. */
async function prove(given: Arguments): Promise<boolean> {
  const runs = await runAll(given);
  printTable(runs, ['even-share']);
  const lack = whyVoid(runs, given.profile);
  if (lack !== undefined) console.log(`VOID: ${lack}; the runs prove nothing\n`);
  console.log(summaryOf(runs, '0/0'));
  return lack === undefined && runs.every(({ findings }) => findings.length === 0);
}

/** Every sabotage must turn one of its checkers red, in one of its seeds. */
async function sabotageAll(given: Arguments, rules: readonly ConsumerRule[]): Promise<boolean> {
  const { runs, caught } = await sabotageEach(
    rules,
    (rule) => SABOTAGES[rule].checkers,
    (rule, until) => runAll(given, rule, until),
  );
  console.log(summaryOf(runs, `${caught}/${rules.length}`));
  return caught === rules.length;
}

function run(given: Arguments): Promise<boolean> {
  const { long, rules, minutesMs: forMs = LONG_MS } = given;
  if (long !== undefined) return runLong(long, { ...given, forMs, say });
  return rules === undefined ? prove(given) : sabotageAll(given, rules);
}

// Child processes, frozen ones too, are killed by an orderly exit of this one.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

/** The part that is proved, `consumer` unless said otherwise; its other arguments are its own. */
const { values } = parseArgs({ strict: false, options: { part: { type: 'string', default: 'consumer' } } });
const USAGES: Readonly<Record<string, string>> = {
  publisher: PUBLISHER_USAGE,
  replicas: REPLICAS_USAGE,
  postgres: POSTGRES_USAGE,
  repartition: REPARTITION_USAGE,
  resets: RESETS_USAGE,
  parking: PARKING_USAGE,
};

function runPart(): Promise<boolean> {
  const rest = process.argv.slice(2);
  if (values.part === 'publisher') return runPublisherPart(rest);
  if (values.part === 'replicas') return runReplicas(rest);
  if (values.part === 'postgres') return runPostgres(rest);
  if (values.part === 'repartition') return runRepartition(rest);
  if (values.part === 'resets') return runResets(rest);
  return values.part === 'parking' ? runParking(rest) : run(readArguments());
}

try {
  const good = await runPart();
  process.exitCode = good ? 0 : 1;
} catch (error) {
  const known =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  if (known !== true) throw error;
  console.error(`${(error as Error).message}\n${USAGES[String(values.part)] ?? USAGE}`);
  process.exitCode = 2;
}
