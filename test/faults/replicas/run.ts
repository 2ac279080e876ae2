import { parseArgs } from 'node:util';
import type { CheckerName } from '../oracle/finding.js';
import { PROFILES, type ProfileName } from '../consumer/profile.js';
import { printRun, printTable, summaryOf, whyVoid } from '../consumer/report.js';
import { runSeeds } from '../harness/seeds.js';
import { type ReplicasRun, runReplicasOnce } from './run-once.js';

// npm run test:faults -- --part replicas [--profile short|full|rolling] [--seeds N] [--seed S] [--cluster] [--server
// 2.10|2.15] Ends with 0 if every promise held and enough happened.

export const REPLICAS_USAGE =
  'usage: npm run test:faults -- --part replicas [--profile short|full|rolling] [--seeds N] [--seed S] [--cluster] [--server 2.10|2.15]';
const ROLLING = 'rolling';
const LEAST = { faults: 2, takeovers: 16, replays: 0 };
/** A restart makes four moves at least: each replica gives two partitions away and gets two. */
const LEAST_TAKEOVERS_OF_ROLLING = 16;

/** Runs the part of the fault tests that is about replicas that come and go; true if all is well. */
export async function runReplicas(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      part: { type: 'string' },
      profile: { type: 'string', default: 'full' },
      seeds: { type: 'string' },
      seed: { type: 'string' },
      server: { type: 'string', default: '2.15' },
      cluster: { type: 'boolean', default: false },
    },
  });
  const isRolling = values.profile === ROLLING;
  if (!isRolling && !Object.hasOwn(PROFILES, values.profile)) {
    console.error(`no profile ${values.profile}\n${REPLICAS_USAGE}`);
    return false;
  }
  const profile = { ...PROFILES[isRolling ? 'short' : (values.profile as ProfileName)], least: LEAST };
  const firstSeed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
  const seeds = Number(values.seeds ?? (isRolling ? 1 : profile.seeds));
  const runs = await runSeeds<CheckerName, ReplicasRun>({ seeds, untilMs: undefined }, [], async (index) => {
    console.log(`replicas, seed ${firstSeed + index} begins`);
    const run = await runReplicasOnce({
      ...{ seed: firstSeed + index, serverVersion: values.server, cluster: values.cluster, profile },
      story: isRolling ? ROLLING : 'faults',
      say: (text) => console.log(text),
    });
    printRun(run);
    const { replicas, leasesLost, steadyMs, longestMs, p99Ms } = run;
    console.log(
      `  ${replicas} replicas, ${leasesLost} leases lost; longest pause of an aggregate ${longestMs} ms, p99 ${p99Ms} ms; before ${steadyMs} ms`,
    );
    return run;
  });
  printTable(runs, ['poison-found', 'regression-noticed']);
  const least = isRolling ? { faults: 4, takeovers: LEAST_TAKEOVERS_OF_ROLLING, replays: 0 } : LEAST;
  const lack = whyVoid(runs, { ...profile, least });
  if (lack !== undefined) console.log(`VOID: ${lack}; the runs prove nothing\n`);
  console.log(summaryOf(runs, '0/0'));
  return lack === undefined && runs.every(({ findings }) => findings.length === 0);
}
