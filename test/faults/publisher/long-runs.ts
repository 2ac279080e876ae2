import { runFrozenServer } from './frozen-server.js';
import { runMemory } from './memory.js';
import { runRivals } from './rivals.js';
import { drawSeed } from '../../support/seeded.js';

export interface LongRunOptions {
  readonly serverVersion: string;
  readonly minutes: number | undefined;
}

export type LongRun = (options: LongRunOptions) => Promise<boolean>;

const RIVAL_FAULTS = 14;

/** Two publishers and expectedSequence, on one server and on three. */
async function runBothRivals({ serverVersion }: LongRunOptions): Promise<boolean> {
  let good = true;
  for (const replicas of [1, 3] as const) {
    const seed = drawSeed(`rivals, nats-server ${serverVersion}, ${replicas} replicas`);
    const result = await runRivals({ serverVersion, replicas, seed, faults: RIVAL_FAULTS });
    for (const text of result.findings.slice(0, 6)) console.log(`  ${text}`);
    const findings = result.findings.length;
    console.log(
      JSON.stringify({ run: 'rivals', server: serverVersion, replicas, seed, ...result, findings }),
    );
    good &&= findings === 0 && result.conflicts > 0 && result.again > 0;
  }
  return good;
}

/** Runs too long for `npm test`, by profile name. */
export const LONG_RUNS: Readonly<Record<string, LongRun>> = {
  'frozen-server': runFrozenServer,
  memory: runMemory,
  rivals: runBothRivals,
};
