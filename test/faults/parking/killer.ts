import { setTimeout as delay } from 'node:timers/promises';
import type { SabotagedRule } from '#library/sabotage.js';
import { slotOfToken } from '../oracle/stored.js';
import { ParkingWorld, type ParkingWorldOptions } from './parking-world.js';
import type { WorkerSetup } from './setup.js';

export interface KillerOptions {
  readonly server: ParkingWorldOptions['server'];
  readonly topic: string;
  /** `retry.attempts` of the handlers. */
  readonly attempts: number;
  readonly innocents: number;
  /** How long an innocent handler takes. */
  readonly handlerMs: number;
  readonly partitions?: number;
  readonly processes?: number;
  readonly sabotage?: SabotagedRule;
  /** What all processes but the first ones are configured with instead. */
  readonly later?: Partial<WorkerSetup>;
}

export interface KillerResult {
  readonly findings: readonly string[];
  /** Processes that died of the killer. */
  readonly deaths: number;
  /** Aggregates that ended up parked. */
  readonly parked: readonly string[];
}

const CAUSE = 'poison';
const KILLER = 'killer';
const LOOK_EVERY_MS = 150;
const FOUND_WITHIN_MS = 120_000;
const SABOTAGED_WITHIN_MS = 25_000;

/** Keys in the half of the slots that the killer is not in, or in all of them. */
function innocentKeys(count: number, beside: boolean): string[] {
  const half = (key: string): boolean => slotOfToken(key) < 128;
  const keys: string[] = [];
  for (let index = 0; keys.length < count; index++) {
    const key = `innocent-${index}`;
    if (!beside || half(key) !== half(KILLER)) keys.push(key);
  }
  return keys;
}

/**
 * One event ends every process that handles it, among many slow ones that do nothing wrong. Processes are started
 * again. In the end the killer is parked, and no other aggregate is.
 */
export async function findKiller(options: KillerOptions): Promise<KillerResult> {
  const {
    server,
    topic,
    attempts,
    innocents,
    handlerMs,
    partitions = 1,
    processes = 2,
    sabotage,
    later,
  } = options;
  const world = await ParkingWorld.open({
    server,
    topic,
    workers: { attempts, handlerMs, partitions, concurrency: 256 },
  });
  const keys = innocentKeys(innocents, partitions > 1);
  try {
    world.crew.breakDown(CAUSE);
    for (const [index, key] of keys.entries()) {
      if (index === Math.floor(innocents / 2)) await world.publish(KILLER, { cause: CAUSE, trouble: 'exit' });
      await world.publish(key);
    }
    const withinMs = sabotage === undefined ? FOUND_WITHIN_MS : SABOTAGED_WITHIN_MS;
    const deaths = await killUntilFound(world, { processes, sabotage, withinMs, later: later ?? {} });
    const parked = (await world.operator.list({ topic })).map(({ aggregateId }) => aggregateId).toSorted();
    const blamed = parked.filter((key) => key !== KILLER).map((key) => `poison-found: ${key} was blamed`);
    const missed = parked.includes(KILLER) ? [] : ['poison-found: the killer was not found'];
    world.crew.mend(CAUSE);
    if (sabotage === undefined) {
      for (const key of parked) await world.retryUntilLive(key);
      await world.whenAllHandled();
    }
    const broken = sabotage === undefined ? await world.judge() : [];
    const findings = [...blamed, ...missed, ...broken];
    if (findings.length === 0 || sabotage !== undefined) world.forget();
    return { findings, deaths, parked };
  } finally {
    await world.close();
  }
}

interface Hunt {
  readonly processes: number;
  readonly sabotage: SabotagedRule | undefined;
  readonly withinMs: number;
  readonly later: Partial<WorkerSetup>;
}

/** Starts processes again until all innocents are handled or parked, and the killer is parked. */
async function killUntilFound(
  world: ParkingWorld,
  { processes, sabotage, withinMs, later }: Hunt,
): Promise<number> {
  const { crew } = world;
  const until = performance.now() + withinMs;
  for (;;) {
    const alive = crew.workers.filter(({ child }) => child.running).length;
    for (let index = alive; index < processes; index++)
      await crew.spawn({ sabotage, setup: crew.workers.length < processes ? {} : later });
    await delay(LOOK_EVERY_MS);
    const deaths = crew.workers.filter(({ child }) => !child.running).length;
    if (performance.now() > until) return deaths;
    // Before the first process has started there is no stream of letters.
    const parked = await world.parkedTokens().catch((): string[] => []);
    if (parked.length === 0) continue;
    const missing = world.missing().map((event) => event.split(' ', 1)[0]!);
    if (missing.every((key) => parked.includes(key)) && parked.includes(KILLER)) return deaths;
  }
}
