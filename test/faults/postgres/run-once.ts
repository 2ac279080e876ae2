import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { lackOf } from '../publisher/run-once.js';
import type { Finding } from './finding.js';
import { type Evidence, readEvidence } from './history.js';
import { Nemesis, untilAllReady } from './nemesis.js';
import { type PlannedFault, planFaults } from './nemesis-plan.js';
import { judge } from './oracle.js';
import type { Profile } from './profile.js';
import { untilRest } from './rest.js';
import { type RowRule, SABOTAGES } from './sabotage.js';
import { World, type WorldOptions } from './world.js';

export interface RunOptions {
  readonly seed: number;
  readonly serverVersion: string;
  readonly profile: Profile;
  readonly sabotage?: RowRule | undefined;
  /** Only these, in place of what the seed says. */
  readonly faults?: readonly PlannedFault[];
  readonly say: (text: string) => void;
}

export interface RunResult {
  readonly findings: readonly Finding[];
  readonly evidence: Evidence;
  readonly seed: number;
  readonly versions: string;
  readonly events: number;
  readonly effects: number;
  /** What was hit, and how often. */
  readonly hit: ReadonlyMap<string, number>;
  readonly faultCount: number;
  readonly missed: number;
  readonly resets: number;
  readonly seconds: number;
  /** Why it proves nothing; undefined if it does. */
  readonly lack: string | undefined;
  /** Where the journals are; undefined if all is green and they are gone. */
  readonly folder: string | undefined;
}

/** What a seed chooses: shards of each relay, rows in memory, whether rows stay. */
function relaysOf(seed: number): NonNullable<WorldOptions['relays']> {
  const shards = [
    [1, 1],
    [2, 2],
    // Processes with other numbers of shards exclude each other, too.
    [1, 2],
    [4, 2],
  ][seed % 4]!;
  const maxRows = seed % 3 === 0 ? 100 : 10_000;
  const keep = seed % 5 === 0 ? { keepPublishedMs: 500 } : {};
  return shards.map((count) => ({ shards: count, maxRows, ...keep }));
}

/** One run: load and faults, healing, rest, then the verdict. Journals of a green run are removed. */
export async function runOnce(options: RunOptions): Promise<RunResult> {
  const { seed, serverVersion, profile, sabotage, say } = options;
  const began = performance.now();
  const exposure = sabotage === undefined ? undefined : SABOTAGES[sabotage];
  const { shops, handlers } = profile;
  const world = await World.open({
    ...{ seed, serverVersion, shops, handlers, relays: relaysOf(seed), sabotage },
    ...exposure?.world,
  });
  try {
    const nemesis = new Nemesis({ world, say: (text) => say(`seed ${seed}: ${text}`) });
    await untilAllReady(world);
    await nemesis.run(options.faults ?? planFaults(seed, profile.steps, exposure?.faults));
    const history = await untilRest(world, sabotage !== undefined);
    const findings = judge(history);
    const evidence = readEvidence(world.folder);
    const events = history.stored.length;
    const faultCount = [...nemesis.hit.values()].reduce((sum, count) => sum + count, 0);
    const isGreen = findings.length === 0;
    if (isGreen || sabotage !== undefined) world.forget();
    else writeFileSync(join(world.folder, 'findings.json'), JSON.stringify(findings, undefined, 2));
    return {
      ...{ findings, evidence, seed, events, faultCount },
      effects: history.effects.length,
      versions: `PostgreSQL ${world.postgres.version ?? '?'}, nats-server ${world.nats.version}`,
      ...{ hit: nemesis.hit, missed: nemesis.missed, resets: nemesis.resets },
      seconds: Math.round((performance.now() - began) / 1_000),
      lack: lackOf({ ...evidence, faults: faultCount, events }, profile.least),
      folder: isGreen || sabotage !== undefined ? undefined : world.folder,
    };
  } finally {
    await world.close();
  }
}
