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
import { SABOTAGES } from './sabotage.js';
import { readStored } from '../oracle/stored.js';
import { World } from './world.js';

export interface RunOptions {
  readonly seed: number;
  readonly serverVersion: string;
  readonly processes: number;
  readonly profile: Profile;
  readonly sabotage: ConsumerRule | undefined;
  /** On three servers. */
  readonly cluster: boolean;
  readonly say: (text: string) => void;
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

const SHORTEST_ACK_WAIT_MS = 1_000;
/** Both leave the stream unfit for anything else, so a run has one of them. */
const EPILOGUES = [checkPoison, checkRegression] as const;
const OUTCOMES_WITHIN_MS = 70_000;

/** One run: load and faults, then healing and quiet, then the verdict. Journals of a green run are removed. */
export async function runOnce(options: RunOptions): Promise<RunResult> {
  const { seed, serverVersion, processes, profile, sabotage, cluster, say } = options;
  const { keys, eventsPerSecond } = profile;
  const fenced = seed % 4 !== 0;
  // The shortest legal wait: the server delivers events again that wait in their lanes, in whatever order.
  const exposure = sabotage === undefined ? undefined : SABOTAGES[sabotage];
  const shortAckWait = exposure?.shortAckWait ?? (exposure === undefined && seed % 3 === 0);
  const consumers = { ...(shortAckWait ? { ackWaitMs: SHORTEST_ACK_WAIT_MS } : {}), ...exposure?.consumers };
  const world = await World.open({
    ...{ seed, serverVersion, processes, fenced, keys, eventsPerSecond, sabotage, consumers, cluster },
  });
  const { parts } = world;
  const { server, servers, fleet, load, tap, journal, folder } = parts;
  const nemesis = new Nemesis({
    seed,
    partitions: parts.consumers.partitions,
    kinds: exposure?.faults ?? (cluster ? CLUSTER_FAULT_KINDS : FAULT_KINDS),
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
  if (green) world.forget();
  else writeFileSync(join(folder, 'findings.json'), JSON.stringify(verdict, undefined, 2));
  return {
    ...verdict,
    seed,
    serverVersion: server.version,
    events: history.stored.length,
    starts: history.attempts.length,
    faults: nemesis.counts,
    faultCount: nemesis.total,
    folder: green ? undefined : folder,
  };
}
