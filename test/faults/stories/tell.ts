import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunResult } from '../consumer/run-once.js';
import { World, type WorldOptions } from '../consumer/world.js';
import type { CheckerName, Finding } from '../oracle/finding.js';
import { type History, readHistory } from '../oracle/history.js';
import { judge, type Verdict } from '../oracle/oracle.js';
import { readStored } from '../oracle/stored.js';

/** What a story may be told with. */
export interface StoryOptions {
  readonly serverVersion: string;
  readonly sabotage?: string | undefined;
  /** A cluster of three servers. */
  readonly cluster?: boolean;
}

/** A story that was told, and judged like any run. */
export interface Told extends RunResult {
  /** What it lacks to be a proof; undefined if nothing. */
  readonly lack: string | undefined;
}

export type Story = (options: StoryOptions) => Promise<Told>;

/** Says what a told story lacks to be a proof; undefined if nothing. */
type Proof = (history: History, verdict: Verdict) => string | undefined;

export interface Plot extends Partial<WorldOptions> {
  readonly options: StoryOptions;
  /** Resolves when all that is broken is healed, and all that is to be handled is published. */
  readonly act: (world: World) => Promise<void>;
  readonly proof?: Proof;
  readonly quietWithinMs?: number;
  /** Events whose keys begin with this are not to be handled. */
  readonly notHandled?: string;
  /** A checker whose promise the story's own fault suspends. */
  readonly suspended?: CheckerName;
}

const QUIET_WITHIN_MS = 60_000;
/** A broken rule may keep events unsettled for ever. */
const SABOTAGED_QUIET_WITHIN_MS = 4_000;

/** Opens a world without load of its own, acts in it, and judges what came of it. */
export async function tell({
  options,
  act,
  proof,
  quietWithinMs,
  notHandled,
  suspended,
  ...rest
}: Plot): Promise<Told> {
  const world = await World.open({
    ...{ seed: 1, processes: 2, isIdle: true, fenced: true, keys: 1, eventsPerSecond: 0, failureShare: 0 },
    ...options,
    ...rest,
  });
  const { folder, server, load, consumers } = world.parts;
  let history: History;
  try {
    await act(world);
    await load.stop();
    const within =
      options.sabotage === undefined ? (quietWithinMs ?? QUIET_WITHIN_MS) : SABOTAGED_QUIET_WITHIN_MS;
    const quiet = await world.isQuietWithin(within);
    const all = readHistory(folder, { stored: await readStored(server.url), consumers, quiet });
    const isJudged = ({ key }: { readonly key: string }): boolean =>
      notHandled === undefined || !key.startsWith(notHandled);
    history = {
      ...all,
      stored: all.stored.filter(isJudged),
      publishes: all.publishes.filter(isJudged),
    };
  } finally {
    await world.close();
  }
  const { findings, ...judged } = judge(history);
  const verdict = { ...judged, findings: findings.filter(({ checker }) => checker !== suspended) };
  const lack = proof?.(history, verdict);
  const isGood = verdict.findings.length === 0 && lack === undefined;
  const isKept = process.env['FAULTS_KEEP'] !== undefined || (!isGood && options.sabotage === undefined);
  if (!isKept) world.forget();
  else writeFileSync(join(folder, 'findings.json'), JSON.stringify({ lack, ...verdict }, undefined, 2));
  return {
    ...verdict,
    ...{ lack, seed: 1, serverVersion: server.version, faults: new Map(), faultCount: 0 },
    events: history.stored.length,
    starts: history.attempts.length,
    folder: isKept ? folder : undefined,
  };
}

/** A story that no journals of a world tell. */
export function toldOf(findings: readonly Finding[], serverVersion: string): Told {
  return {
    findings,
    ...{ lack: undefined, seed: 1, serverVersion, events: 0, starts: 0 },
    ...{ faults: new Map(), faultCount: 0, folder: undefined },
    evidence: {
      ...{ replays: 0, takeovers: 0, takeoverMs: [], failoverMs: [], unheardClaims: 0 },
      ...{ refusedPositions: 0, staleOverlaps: 0, staleStarts: 0, refusedWrites: 0 },
    },
  };
}

/** What a test of a story expects. */
export const GOOD = { findings: [], lack: undefined };

/** The part of a told story that a test compares; the folder leads to the journals. */
export function outcomeOf({ findings, lack, folder }: Told): object {
  return { findings, lack, ...(folder === undefined ? {} : { folder }) };
}

/** What the judged processes have written so far. */
export function historySoFar({ parts }: World): History {
  return readHistory(parts.folder, { stored: [], consumers: parts.consumers, quiet: true });
}
