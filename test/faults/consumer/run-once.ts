import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as scheduled } from 'node:timers/promises';
import type { Finding } from '../oracle/finding.js';
import { type History, readHistory } from '../oracle/history.js';
import { Nemesis } from './nemesis.js';
import { CLUSTER_FAULT_KINDS, FAULT_KINDS, type FaultKind } from './nemesis-plan.js';
import { judge, type Verdict } from '../oracle/oracle.js';
import type { Profile } from './profile.js';
import type { ConsumerRule } from '#library/sabotage.js';
import { checkPoison } from './poison.js';
import { checkRegression } from './regression.js';
import { readStored } from '../oracle/stored.js';
import type { ConsumerSetup } from './scenario.js';
import { World } from './world.js';

export interface RunOptions {
  readonly seed: number;
  readonly serverVersion: string;
  readonly processes: number;
  readonly profile: Profile;
  readonly sabotage: ConsumerRule | undefined;
  /** On three servers. */
  readonly cluster: boolean;
  /** How a sabotage is brought to light. */
  readonly exposure?: Exposure | undefined;
  /** Only faults of these kinds. */
  readonly kinds?: readonly FaultKind[];
  readonly say: (text: string) => void;
}

/** What brings a broken rule to light. */
export interface Exposure {
  readonly faults: readonly FaultKind[];
  readonly consumers?: Partial<ConsumerSetup>;
  /** What processes are configured with instead, by turns. */
  readonly variants?: readonly Partial<ConsumerSetup>[];
  /** It shows on three servers of this version only. */
  readonly onCluster?: string;
  /** What comes at the end. */
  readonly epilogue?: (world: World) => Promise<Finding[]>;
}

export interface RunResult extends Verdict {
  readonly seed: number;
  readonly serverVersion: string;
  readonly events: number;
  readonly starts: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly faultCount: number;
  /** Where the journals are; undefined if all is green and they are gone. */
  readonly folder: string | undefined;
}

/** Both leave the stream unfit for anything else, so a run has one of them. */
const EPILOGUES = [checkPoison, checkRegression] as const;
const OUTCOMES_WITHIN_MS = 70_000;
/** By the seed: how often a position is written. */
const COMMIT_PACES = [5, 5, 0, 20, 100] as const;
const WINDOWS = [{ maxAckPending: 2_000 }, { maxAckPending: 200 }] as const;

/** One run: load and faults, then healing and quiet, then the verdict. Journals of a green run are removed. */
export async function runOnce(options: RunOptions): Promise<RunResult> {
  const { seed, serverVersion, processes, profile, sabotage, cluster, say, kinds, exposure } = options;
  const { keys, eventsPerSecond } = profile;
  const fenced = seed % 4 !== 0;
  const consumers = { commitEveryMs: COMMIT_PACES[seed % COMMIT_PACES.length]!, ...exposure?.consumers };
  // A window that shrinks and grows from owner to owner.
  const variants = exposure?.variants ?? (exposure === undefined && seed % 5 === 0 ? WINDOWS : undefined);
  const world = await World.open({
    ...{
      seed,
      serverVersion,
      processes,
      fenced,
      keys,
      eventsPerSecond,
      sabotage,
      consumers,
      cluster,
      variants,
    },
  });
  const { parts } = world;
  const { server, servers, fleet, load, tap, journal, folder } = parts;
  const nemesis = new Nemesis({
    seed,
    partitions: parts.consumers.partitions,
    kinds: exposure?.faults ?? kinds ?? (cluster ? CLUSTER_FAULT_KINDS : FAULT_KINDS),
    servers,
    fleet,
    load,
    tap,
    journal,
  });
  const progress = setInterval(
    () => say(`seed ${seed}: ${load.calls} events, ${nemesis.total} faults (${nemesis.now})`),
    1_000,
  );
  let history: History;
  const findings: Finding[] = [];
  try {
    load.start();
    await scheduled(profile.warmUpMs);
    await nemesis.run(profile.faultsMs);
    journal.write({ what: 'phase', name: 'healed' });
    await Promise.race([load.stop(), scheduled(OUTCOMES_WITHIN_MS, undefined, { ref: false })]);
    const quiet = await world.isQuietWithin(profile.quietWithinMs);
    if (!parts.effects.running)
      throw new Error(`expected the effect store to run, see ${folder}/effects.err`);
    const stored = await readStored(server.url);
    // What follows breaks what the other checkers look at, so the story they judge ends here.
    history = readHistory(folder, { stored, consumers: parts.consumers, quiet });
    const epilogue =
      exposure === undefined
        ? profile.epilogue && (cluster ? checkPoison : EPILOGUES[seed % 2])
        : exposure.epilogue;
    if (epilogue && quiet) findings.push(...(await epilogue(world)));
  } finally {
    clearInterval(progress);
    await world.close();
  }
  const judged = judge(history);
  const verdict: Verdict = { ...judged, findings: [...judged.findings, ...findings] };
  const green = verdict.findings.length === 0;
  // Set it to read the journals of a green run.
  const isKept = process.env['FAULTS_KEEP'] !== undefined;
  if (green && !isKept) world.forget();
  else writeFileSync(join(folder, 'findings.json'), JSON.stringify(verdict, undefined, 2));
  return {
    ...verdict,
    seed,
    serverVersion: server.version,
    events: history.stored.length,
    starts: history.attempts.length,
    faults: nemesis.counts,
    faultCount: nemesis.total,
    folder: green && !isKept ? undefined : folder,
  };
}
