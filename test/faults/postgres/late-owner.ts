import type { RowRule } from './sabotage.js';
import { eventually } from '../../support/eventually.js';
import { type History, readEvidence } from './history.js';
import { type Member, stopOneAt } from './member.js';
import { untilAllReady } from './nemesis.js';
import { judge } from './oracle.js';
import { untilRest } from './rest.js';
import type { RunResult } from './run-once.js';
import { World } from './world.js';

export interface StoryOptions {
  readonly seed: number;
  readonly serverVersion: string;
  readonly sabotage?: RowRule | undefined;
}

/** Nothing is settled on the server before the story is over: the next owner gets all events again. */
const NEVER_SETTLED_MS = 10_000;
const STEP_WITHIN_MS = 60_000;
const APPLIED_FIRST = 3;

/**
 * An owner freezes before its transaction. The next one gets the aggregate's earlier events again and finds their
 * effects committed: it has written its token, and nothing else. Then the first one wakes up. Its event is the next in
 * order, so only the token refuses it.
 */
export async function tellLateOwner({ seed, serverVersion, sabotage }: StoryOptions): Promise<RunResult> {
  const began = performance.now();
  const world = await World.open({
    ...{ seed, serverVersion, sabotage, shops: 1, relays: [{}], handlers: 2 },
    shop: { sessions: 1, aggregates: 1, pauseMs: 150 },
    handler: { partitions: 1, commitEveryMs: NEVER_SETTLED_MS, alwaysOwn: true },
  });
  try {
    await untilAllReady(world);
    await untilApplied(world);
    const owner = await stopped(world.of('handler'), 'handler: delivered');
    const next = world.of('handler').filter((member) => member !== owner);
    const successor = await stopped(next, 'handler: repeated');
    owner.continue();
    await eventually('the late transaction to end', () => hasEnded(world, sabotage), STEP_WITHIN_MS);
    successor.continue();
    return resultOf(world, await untilRest(world, sabotage !== undefined), { seed, sabotage, began });
  } finally {
    await world.close();
    world.forget();
  }
}

async function untilApplied(world: World): Promise<void> {
  const client = await world.database('billing');
  try {
    await eventually('some effects', async () => {
      const { rows } = await client.query('select from effects limit $1', [APPLIED_FIRST]);
      return rows.length === APPLIED_FIRST;
    });
  } finally {
    await client.end();
  }
}

async function stopped(members: readonly Member[], step: string): Promise<Member> {
  const found = await stopOneAt(members, step, STEP_WITHIN_MS);
  if (found === undefined) throw new Error(`expected a handler to come to "${step}", found none`);
  return found;
}

/** It was refused, or it has committed after the repeat. */
async function hasEnded(world: World, sabotage: RowRule | undefined): Promise<boolean> {
  if (sabotage === undefined) return readEvidence(world.folder).fenced > 0;
  const client = await world.database('billing');
  try {
    const { rows } = await client.query(
      `select from effects as late join effects as repeat on late.n > repeat.n and repeat.outcome = 'repeat'
       where late.outcome = 'done' limit 1`,
    );
    return rows.length > 0;
  } finally {
    await client.end();
  }
}

function resultOf(
  world: World,
  history: History,
  { seed, sabotage, began }: Pick<StoryOptions, 'seed' | 'sabotage'> & { readonly began: number },
): RunResult {
  const evidence = readEvidence(world.folder);
  return {
    ...{ findings: judge(history), evidence, seed },
    ...{ events: history.stored.length, effects: history.effects.length },
    versions: `PostgreSQL ${world.postgres.version ?? '?'}, nats-server ${world.nats.version}`,
    ...{ hit: new Map([['late-owner', 1]]), faultCount: 1, missed: 0, resets: 0 },
    seconds: Math.round((performance.now() - began) / 1_000),
    lack: sabotage === undefined && evidence.fenced === 0 ? 'no late transaction was refused' : undefined,
    folder: undefined,
  };
}
