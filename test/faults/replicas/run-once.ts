import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as scheduled } from 'node:timers/promises';
import type { NatsConnection } from 'nats';
import type { Finding } from '../oracle/finding.js';
import { readHistory } from '../oracle/history.js';
import { stamp } from '../harness/journal.js';
import { Nemesis } from '../consumer/nemesis.js';
import { CLUSTER_REPLICA_FAULT_KINDS, REPLICA_FAULT_KINDS } from '../consumer/nemesis-plan.js';
import { judge } from '../oracle/oracle.js';
import type { Profile } from '../consumer/profile.js';
import { quantile } from '../consumer/report.js';
import type { RunOptions, RunResult } from '../consumer/run-once.js';
import { readStored } from '../oracle/stored.js';
import { World } from '../consumer/world.js';
import { checkOwners, checkShare } from './check-share.js';
import { lookAtGroup } from './leases.js';
import { type Pause, pausesOf } from './pauses.js';

/** Draws faults, or restarts all replicas one after the other and nothing else. */
export type Story = 'faults' | 'rolling';

export interface ReplicasRun extends RunResult {
  readonly replicas: number;
  /** Times a replica lost a lease it had not let go: on a busy machine also without a fault. */
  readonly leasesLost: number;
  /** The longest wait of an event before the first restart, and during all of them, in milliseconds. */
  readonly steadyMs: number;
  readonly longestMs: number;
  readonly p99Ms: number;
}

export interface ReplicasOptions extends Omit<RunOptions, 'processes' | 'sabotage' | 'profile'> {
  readonly profile: Profile;
  readonly story: Story;
}

const PARTITIONS = 8;
/** Six replicas, a server and a publisher on one machine: more would measure the machine. */
const LOAD = { keys: 32, eventsPerSecond: 150 };
const FEWEST_REPLICAS = 3;
const MOST_REPLICAS = 6;
const ROLLING_REPLICAS = 4;
/** Behind the last fault, beyond a lease. */
const OWNED_WITHIN_MS = 1_000;
/** A hand-over waits for what runs; one that does not come to its end is tried again. */
const BALANCED_WITHIN_DRAINS = 4;
const LOOK_EVERY_MS = 100;
const MOST_LOOKS = 20;
const NANOS_PER_MS = 1_000_000;
const BETWEEN_RESTARTS_MS = 1_000;

/** One run: load and changes of the group, then a look at who owns what, then quiet and the verdict. */
export async function runReplicasOnce(options: ReplicasOptions): Promise<ReplicasRun> {
  const { seed, serverVersion, profile, cluster, say, story } = options;
  const replicas =
    story === 'rolling' ? ROLLING_REPLICAS : FEWEST_REPLICAS + (seed % (MOST_REPLICAS - FEWEST_REPLICAS + 1));
  const world = await World.open({
    ...{ seed, serverVersion, processes: replicas, fenced: seed % 4 !== 0, cluster },
    ...LOAD,
    // A deployment goes by the default; a lease that a busy machine loses is another story.
    consumers: {
      partitions: PARTITIONS,
      ...(story === 'rolling' ? { leaseTtlMs: 3_000, drainMs: 10_000 } : {}),
    },
  });
  const { parts } = world;
  const { server, servers, fleet, load, tap, journal, folder, consumers } = parts;
  const kinds = cluster ? CLUSTER_REPLICA_FAULT_KINDS : REPLICA_FAULT_KINDS;
  const nemesis = new Nemesis({ seed, partitions: PARTITIONS, kinds, servers, fleet, load, tap, journal });
  const progress = setInterval(
    () =>
      say(
        `seed ${seed}, ${replicas} replicas: ${load.calls} events, ${nemesis.total} faults (${nemesis.now})`,
      ),
    1_000,
  );
  const findings: Finding[] = [];
  let verdict: Pick<RunResult, 'findings' | 'evidence'>;
  let figures: Pick<ReplicasRun, 'events' | 'starts' | 'steadyMs' | 'longestMs' | 'p99Ms'>;
  let restarts = 0;
  let leasesLost: number;
  try {
    load.start();
    await scheduled(profile.warmUpMs + consumers.leaseTtlMs);
    const changesFrom = performance.now();
    if (story === 'faults') await nemesis.run(profile.faultsMs);
    else {
      for (const slot of fleet.slots) {
        await slot.stop();
        await slot.spawn();
        await scheduled(BETWEEN_RESTARTS_MS);
        restarts++;
      }
    }
    journal.write({ what: 'phase', name: 'healed' });
    const healedAt = stamp() / NANOS_PER_MS;
    await scheduled(consumers.leaseTtlMs + OWNED_WITHIN_MS);
    const owners = await ownersOf(tap.nats, consumers.leaseTtlMs);
    findings.push(...(await sharesOf(tap.nats, replicas, BALANCED_WITHIN_DRAINS * consumers.drainMs)));
    await load.stop();
    const quiet = await world.isQuietWithin(profile.quietWithinMs);
    const stored = await readStored(server.url);
    const history = readHistory(folder, { stored, consumers, quiet });
    verdict = judge(history);
    // On a busy machine leases are lost without a fault, and then no replica can own all of them in time.
    const lostMeanwhile = history.logs.some(
      ({ at, text }) => at > healedAt && text.includes('the lease is lost'),
    );
    findings.push(...(lostMeanwhile ? owners.atLast : owners.inTime));
    const pauses = pausesOf(folder, history);
    figures = { events: stored.length, starts: history.attempts.length, ...measure(pauses, changesFrom) };
    leasesLost = history.logs.filter(({ text }) => text.includes('the lease is lost')).length;
    if (story === 'rolling' && verdict.evidence.replays > 0 && leasesLost === 0) {
      const text = `${verdict.evidence.replays} events were handled again, though every replica was released in order`;
      findings.push({ checker: 'settled-stays-settled', text });
    }
  } finally {
    clearInterval(progress);
    await world.close();
  }
  const all = [...verdict.findings, ...findings];
  if (all.length === 0) world.forget();
  else writeFileSync(join(folder, 'findings.json'), JSON.stringify(all, undefined, 2));
  return {
    ...{
      seed,
      replicas,
      leasesLost,
      serverVersion: server.version,
      evidence: verdict.evidence,
      findings: all,
    },
    ...figures,
    faults: nemesis.counts,
    faultCount: nemesis.total + restarts,
    folder: all.length === 0 ? undefined : folder,
  };
}

/** What is wrong with the owners now, and when nothing is, or after some more looks. */
async function ownersOf(nats: NatsConnection, ttlMs: number) {
  let before = await lookAtGroup(nats, PARTITIONS);
  let inTime: Finding[] | undefined;
  for (let look = 1; ; look++) {
    await scheduled(ttlMs / 2);
    const now = await lookAtGroup(nats, PARTITIONS);
    const atLast = checkOwners(before, now);
    inTime ??= atLast;
    if (atLast.length === 0 || look === MOST_LOOKS) return { inTime, atLast };
    before = now;
  }
}

/** What is wrong with the shares when they are even, or when the time is over. */
async function sharesOf(nats: NatsConnection, replicas: number, withinMs: number): Promise<Finding[]> {
  const until = performance.now() + withinMs;
  for (;;) {
    const findings = checkShare(await lookAtGroup(nats, PARTITIONS), replicas);
    if (findings.length === 0 || performance.now() > until) return findings;
    await scheduled(LOOK_EVERY_MS);
  }
}

/** The monotonic clock of journals and of this process are one on a Linux host. */
function measure(
  pauses: readonly Pause[],
  changesFrom: number,
): Pick<ReplicasRun, 'steadyMs' | 'longestMs' | 'p99Ms'> {
  const boundary = changesFrom + offsetOfJournals();
  const longest = (of: readonly Pause[]): number => Math.round(Math.max(0, ...of.map(({ ms }) => ms)));
  const during = pauses.filter(({ from }) => from >= boundary);
  return {
    // The start-up is not steady yet.
    steadyMs: longest(pauses.filter(({ from }) => from < boundary && from > boundary - 1_000)),
    longestMs: longest(during),
    p99Ms: Math.round(
      quantile(
        during.map(({ ms }) => ms),
        0.99,
      ) ?? 0,
    ),
  };
}

/** Journals count from another moment than `performance.now()`. */
function offsetOfJournals(): number {
  return stamp() / NANOS_PER_MS - performance.now();
}
