import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as scheduled } from 'node:timers/promises';
import type { PublisherRule } from '#library/no-sabotage.js';
import { Journal } from '../journal.js';
import { readStored } from '../stored.js';
import { type History, readHistory } from './history.js';
import type { DriverLine } from './journal-lines.js';
import { Nemesis } from './nemesis.js';
import { FAULT_KINDS, type FaultKind } from './nemesis-plan.js';
import { judge, type Verdict } from './oracle.js';
import type { Profile } from './profile.js';
import { PublisherSlot } from './publisher-slot.js';
import { SABOTAGES } from './sabotage.js';
import { IMPATIENT, MAX_STORED_BYTES, PUBLISHER, type PublisherSetup } from './scenario.js';
import { MAX_REPLICATED_MESSAGES, Servers } from './servers.js';

export interface RunOptions {
  readonly seed: number;
  readonly serverVersion: string;
  readonly replicas: 1 | 3;
  readonly profile: Profile;
  readonly kinds?: readonly FaultKind[] | undefined;
  readonly sabotage?: PublisherRule | undefined;
  readonly say: (text: string) => void;
}

export interface RunResult extends Verdict {
  readonly seed: number;
  readonly serverVersion: string;
  readonly replicas: number;
  readonly events: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly faultCount: number;
  /** Why it proves nothing; undefined if it does. */
  readonly lack: string | undefined;
  /** Where the journals are; undefined if all is green and they are gone. */
  readonly folder: string | undefined;
}

const ONE_BY_ONE = 8;
const MANY = 2_048;

/** What a seed chooses: how patient the publisher is, and how much it puts on the wire. */
function setupOf({ seed, replicas, sabotage }: RunOptions): PublisherSetup {
  const patience = seed % 3 === 0 ? IMPATIENT : {};
  const maxInFlight = seed % 5 === 0 ? ONE_BY_ONE : MANY;
  const exposed = sabotage === undefined ? {} : SABOTAGES[sabotage].setup;
  return { ...PUBLISHER, ...patience, maxInFlight, ...exposed, replicas };
}

function kindsOf({ replicas, sabotage, kinds }: RunOptions): readonly FaultKind[] {
  if (sabotage !== undefined) return SABOTAGES[sabotage].faults;
  if (kinds !== undefined) return kinds;
  return FAULT_KINDS.filter((kind) => replicas > 1 || kind !== 'step-down');
}

/** One run: load and faults, healing, every outcome, then the verdict. Journals of a green run are removed. */
export async function runOnce(options: RunOptions): Promise<RunResult> {
  const { seed, serverVersion, replicas, profile, sabotage, say } = options;
  const { keys, eventsPerSecond } = profile;
  const folder = mkdtempSync(join(tmpdir(), `publisher-${seed}-`));
  const journal = new Journal<DriverLine>(join(folder, 'driver.jsonl'));
  const servers = await Servers.start(serverVersion, replicas);
  const setup = setupOf(options);
  const slot = await PublisherSlot.open({
    servers,
    folder,
    seed,
    keys,
    eventsPerSecond,
    setup,
    journal,
    sabotage,
  });
  const nemesis = new Nemesis({ seed, kinds: kindsOf(options), keys, servers, slot, journal });
  const progress = setInterval(() => say(`seed ${seed}: ${nemesis.total} faults (${nemesis.now})`), 1_000);
  let history: History;
  try {
    await slot.spawn();
    const isFilled = replicas > 1 && kindsOf(options).includes('stream-full');
    const limit = isFilled ? { max_msgs: MAX_REPLICATED_MESSAGES } : {};
    await servers.update(() => ({ max_msg_size: MAX_STORED_BYTES, ...limit }));
    await scheduled(profile.warmUpMs);
    await nemesis.run(profile.faultsMs);
    slot.heal();
    await slot.stop();
    const stored = await readStored(servers.urls[0]!);
    history = readHistory(folder, stored);
  } finally {
    clearInterval(progress);
    await slot.close();
    await servers.stop();
    journal.close();
  }
  const verdict = judge(history);
  const green = verdict.findings.length === 0;
  const events = history.stored.length;
  if (green) rmSync(folder, { recursive: true, force: true });
  else writeFileSync(join(folder, 'findings.json'), JSON.stringify(verdict, undefined, 2));
  return {
    ...verdict,
    seed,
    serverVersion: servers.version,
    replicas,
    events,
    faults: nemesis.counts,
    faultCount: nemesis.total,
    lack: lackOf({ ...verdict.evidence, faults: nemesis.total, events }, profile.least),
    folder: green ? undefined : folder,
  };
}

/** What a run has too little of. */
export function lackOf(
  found: Readonly<Record<string, number>>,
  least: Readonly<Record<string, number>>,
): string | undefined {
  const lacking = Object.entries(least).filter(([what, count]) => (found[what] ?? 0) < count);
  if (lacking.length === 0) return undefined;
  return lacking
    .map(([what, count]) => `expected at least ${count} ${what}, found ${found[what] ?? 0}`)
    .join('; ');
}
