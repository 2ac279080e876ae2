import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as scheduled } from 'node:timers/promises';
import type { PublisherRule } from '#library/sabotage.js';
import { Journal } from '../harness/journal.js';
import { readStored } from '../oracle/stored.js';
import { type History, readHistory } from './history.js';
import type { DriverLine } from './journal-lines.js';
import { Nemesis } from './nemesis.js';
import { FAULT_KINDS, type FaultKind } from './nemesis-plan.js';
import { faultsOnBatches, judge, type Verdict } from './oracle.js';
import type { Profile } from './profile.js';
import { PublisherSlot } from './publisher-slot.js';
import { SABOTAGES } from './sabotage.js';
import {
  IMPATIENT,
  LONG_QUEUE,
  LONG_QUEUES,
  MAX_STORED_BYTES,
  PUBLISHER,
  type PublisherSetup,
} from './scenario.js';
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
  /** Of them those that began or lasted while a batch was under way. */
  readonly struck: ReadonlyMap<string, number>;
  /** Why it proves nothing; undefined if it does. */
  readonly lack: string | undefined;
  /** Where the journals are; undefined if all is green and they are gone. */
  readonly folder: string | undefined;
}

/** Every third seed checks events, so that all faults meet events that wait for their schema. */
const CHECKED_EVERY = 3;
const LATER_SHARE = 0.05;
const ONE_BY_ONE = 8;
const MANY = 2_048;
/** Of six seeds these two make none; so patient and impatient ones, on one server and on three, are among both. */
const LONG_QUEUES_BUT = [0, 1];

/** What a seed chooses: how patient the publisher is, and how much it puts on the wire. */
function setupOf(options: RunOptions): PublisherSetup {
  const { seed, replicas, sabotage } = options;
  const patience = seed % 3 === 0 ? IMPATIENT : {};
  const isLong = hasLongQueues(options);
  // With fewer places than a batch takes there are no batches.
  const maxInFlight = seed % 5 === 0 && !isLong ? ONE_BY_ONE : MANY;
  const { maxPending } = isLong ? LONG_QUEUES : PUBLISHER;
  const exposed = sabotage === undefined ? {} : SABOTAGES[sabotage].setup;
  const laterShare = seed % CHECKED_EVERY === 1 ? LATER_SHARE : 0;
  return { ...PUBLISHER, ...patience, maxInFlight, maxPending, laterShare, ...exposed, replicas };
}

/** Whether it makes long queues of one aggregate, and each fault come at a step of a batch. */
function hasLongQueues({ seed, sabotage, profile }: RunOptions): boolean {
  if (profile.kinds !== undefined) return false;
  return sabotage === undefined
    ? !LONG_QUEUES_BUT.includes(seed % 6)
    : SABOTAGES[sabotage].longQueues === true;
}

/** The version from which on a server stores batches. Written down again, because the oracle is independent. */
function storesBatches(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number);
  return major > 2 || minor > 12 || (minor === 12 && patch >= 1);
}

function leastOf(options: RunOptions, servers: Servers): Readonly<Record<string, number>> {
  const { batches, ...least } = options.profile.least;
  return hasLongQueues(options) && storesBatches(servers.version)
    ? { ...least, batches: batches ?? 1 }
    : least;
}

function kindsOf({ replicas, sabotage, kinds }: RunOptions): readonly FaultKind[] {
  if (sabotage !== undefined) return SABOTAGES[sabotage].faults;
  if (kinds !== undefined) return kinds;
  return FAULT_KINDS.filter((kind) => replicas > 1 || kind !== 'step-down');
}

/** One run: load and faults, healing, every outcome, then the verdict. Journals of a green run are removed. */
export async function runOnce(options: RunOptions): Promise<RunResult> {
  const { seed, serverVersion, replicas, profile, sabotage, say } = options;
  const { keys } = profile;
  const isLong = hasLongQueues(options);
  const { eventsPerSecond } = isLong ? LONG_QUEUES : profile;
  const longQueue = isLong ? LONG_QUEUE[replicas] : 0;
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
  const nemesis = new Nemesis({ seed, kinds: kindsOf(options), keys, longQueue, servers, slot, journal });
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
    struck: faultsOnBatches(history.wire),
    lack: lackOf({ ...verdict.evidence, faults: nemesis.total, events }, leastOf(options, servers)),
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
