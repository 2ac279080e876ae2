import { parseArgs } from 'node:util';
import { startNatsServer } from 'nestjs-aggregate-transport/testing';
import { between, randomFor } from '../harness/random.js';
import { type CrowdOptions, type CrowdResult, judgeCrowd } from './crowd.js';
import { hangHotHead } from './hot-head.js';
import { findKiller } from './killer.js';
import { interruptAt, type Interruption } from './interrupt.js';
import { sitOutOutage } from './outage.js';
import { STEPS } from './steps.js';

// npm run test:faults -- --part parking [--case seeds|outage|hot|crowd|killer] [--seeds N] [--seed S] [--server
// 2.10|2.15]. Ends with 0 if nothing was found and the figures are within their bounds.

export const PARKING_USAGE =
  'usage: npm run test:faults -- --part parking [--case seeds|outage|hot|crowd|killer] [--seeds N] [--seed S] [--server 2.10|2.15]';
const LEAST_SHARE = 0.9;
const MOST_PARKED = 20;
const STORIES_PER_SEED = 4;

interface Case {
  readonly server: { readonly url: string; readonly port: number };
  readonly seed: number;
  readonly seeds: number;
}

function report(findings: readonly string[], figures: object): boolean {
  for (const text of findings.slice(0, 10)) console.log(`  ${text}`);
  console.log(JSON.stringify({ ...figures, findings: findings.length }));
  return findings.length === 0;
}

/** Stories drawn from the seed, several at once, and a small crowd. */
async function seeds({ server, seed: first, seeds: count }: Case): Promise<boolean> {
  let isGood = true;
  for (let seed = first; seed < first + count; seed++) {
    const random = randomFor(seed);
    const stories = Array.from({ length: STORIES_PER_SEED }, () => drawStory(random));
    const results = await Promise.all(stories.map((story) => interruptAt({ ...story, server })));
    for (const [index, { stopped, findings, letters, folder }] of results.entries()) {
      const { fault, step, nth, events, ill } = stories[index]!;
      const where = findings.length === 0 ? {} : { folder };
      isGood =
        report(findings, { seed, fault, step, nth, events, ill, stopped, letters, ...where }) && isGood;
    }
    const crowd = await judgeCrowd({
      ...SMALL_CROWD,
      server,
      seed,
      topic: `crowd-${seed}`,
      poisonedEvery: 10,
    });
    isGood = report(crowd.findings, { seed, crowd }) && crowd.parkedWhole === crowd.poisoned && isGood;
  }
  return isGood;
}

function drawStory(random: () => number): Omit<Interruption, 'server'> {
  const steps = Object.keys(STEPS);
  const step = steps[Math.floor(random() * steps.length)]!;
  const { trouble, events } = STEPS[step]!;
  const isShort = trouble !== 'hang';
  const drawn = isShort ? between(random, 4, 12) : between(random, events, 2 * events);
  return {
    step,
    fault: random() < 0.5 ? 'kill' : 'freeze',
    // Letters are noted and removed together, so those steps may come once.
    nth: /^(file: |retry: letter handled)/.test(step) ? between(random, 1, 3) : 1,
    events: drawn,
    ill: trouble === 'skip' ? 2 : between(random, 1, isShort ? 3 : 8),
  };
}

async function outage({ server }: Case): Promise<boolean> {
  let isGood = true;
  for (const processes of [1, 3]) {
    const result = await sitOutOutage({
      ...{ server, processes, topic: `outage-${processes}`, outageMs: 120_000, aggregates: 200 },
      workers: { partitions: processes === 1 ? 1 : 4, attempts: 3 },
      recoversWithinMs: 60_000,
    });
    isGood = report(result.findings, { processes, ...result }) && result.parked <= MOST_PARKED && isGood;
  }
  return isGood;
}

async function hot({ server, seed }: Case): Promise<boolean> {
  const result = await hangHotHead({
    ...{ server, seed, topic: 'hot', eventsPerSecond: 1_500, windowMs: 20_000 },
    workers: { maxAckPending: 10_000 },
    liveAgainWithinMs: 180_000,
  });
  const share = Number((result.beside / result.without).toFixed(3));
  return report(result.findings, { share, ...result }) && share >= LEAST_SHARE;
}

const SMALL_CROWD = { aggregates: 300, eventsEach: 8, kills: 2, killEveryMs: 600, handlerMs: 40 };
const CROWD = { aggregates: 10_000, eventsEach: 10, kills: 6, killEveryMs: 2_500, handlerMs: 2 };

/** Without poison, with it, with it, without it: a machine that gets faster or slower meanwhile favours neither. */
async function crowd({ server, seed }: Case): Promise<boolean> {
  const runs: { poisonedEvery: number; result: CrowdResult }[] = [];
  for (const poisonedEvery of [0, 100, 100, 0]) {
    const options: CrowdOptions = {
      ...{ ...CROWD, server, seed: seed + runs.length },
      ...{ poisonedEvery, topic: `crowd-${runs.length}` },
    };
    const result = await judgeCrowd(options);
    console.log(JSON.stringify({ poisonedEvery, ...result, findings: result.findings.length }));
    runs.push({ poisonedEvery, result });
  }
  const rateOf = (every: number): number =>
    runs.reduce((sum, run) => sum + (run.poisonedEvery === every ? run.result.healthyPerSecond : 0), 0);
  const share = Number((rateOf(100) / rateOf(0)).toFixed(3));
  const findings = runs.flatMap(({ result }) => result.findings);
  const isWhole = runs.every(
    ({ result }) => result.parkedWhole === result.poisoned && result.retried === result.poisoned,
  );
  return report(findings, { share, isWhole }) && isWhole && share >= LEAST_SHARE;
}

/** One killer among 255 slow innocents, for each number of attempts. */
async function killer({ server }: Case): Promise<boolean> {
  let isGood = true;
  for (const attempts of [1, 3, 10]) {
    const result = await findKiller({
      ...{ server, topic: `killer-${attempts}`, attempts, innocents: 255, handlerMs: 40 },
    });
    isGood = report(result.findings, { attempts, ...result }) && isGood;
  }
  return isGood;
}

const CASES: Readonly<Record<string, (given: Case) => Promise<boolean>>> = {
  seeds,
  outage,
  hot,
  crowd,
  killer,
};

/** Runs the part of the fault tests that is about parked aggregates; true if all is well. */
export async function runParking(args: string[]): Promise<boolean> {
  const { values } = parseArgs({
    args,
    options: {
      part: { type: 'string' },
      case: { type: 'string', default: 'seeds' },
      seeds: { type: 'string', default: '3' },
      seed: { type: 'string' },
      server: { type: 'string', default: '2.15' },
    },
  });
  const run = Object.hasOwn(CASES, values.case) ? CASES[values.case] : undefined;
  if (run === undefined) {
    console.error(`no case ${values.case}\n${PARKING_USAGE}`);
    return false;
  }
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
  const server = await startNatsServer({ version: values.server, config: '' });
  try {
    console.log(`parking, case ${values.case}, seed ${seed}, nats-server ${server.version}`);
    return await run({ server, seed, seeds: Number(values.seeds) });
  } finally {
    await server.stop();
  }
}
