import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually.js';
import { randomFor } from '../harness/random.js';
import type { Worker } from './crew.js';
import { ParkingWorld, type ParkingWorldOptions } from './parking-world.js';

export interface CrowdOptions {
  readonly server: ParkingWorldOptions['server'];
  readonly topic: string;
  readonly seed: number;
  readonly aggregates: number;
  readonly eventsEach: number;
  /** Every so many-th aggregate is poisoned; 0 for none. */
  readonly poisonedEvery: number;
  readonly kills: number;
  readonly killEveryMs: number;
  readonly handlerMs: number;
}

export interface CrowdResult {
  readonly findings: readonly string[];
  readonly events: number;
  /** From the first handler to the last one of an aggregate that is not poisoned. */
  readonly healthyMs: number;
  readonly healthyPerSecond: number;
  /** Handlers that a kill cut short: the kills came while there was work. */
  readonly handlersCutShort: number;
  readonly ownersKilled: number;
  readonly poisoned: number;
  /** Parked, with all their events from the poisonous one on. */
  readonly parkedWhole: number;
  readonly retried: number;
  readonly retryMs: number;
}

const PARTITIONS = 4;
const PROCESSES = 3;
const CAUSE = 'poison';
const PUBLISHED_AT_ONCE = 2_000;
const LOOK_EVERY_MS = 100;
const SETTLED_WITHIN_MS = 240_000;
const RETRIES_PER_SECOND = 100;

/** A backlog of many aggregates, some of them poisoned, for three processes that are killed in turn. */
export async function judgeCrowd(options: CrowdOptions): Promise<CrowdResult> {
  const { server, topic, aggregates, eventsEach, poisonedEvery, handlerMs } = options;
  const world = await ParkingWorld.open({
    ...{ server, topic, tapPositions: false },
    workers: { partitions: PARTITIONS, handlerMs, maxAckPending: 10_000 },
  });
  const random = randomFor(options.seed);
  const keys = Array.from({ length: aggregates }, (_, index) => `key-${index}`);
  const poisonAt = new Map(
    keys
      .filter((_, index) => poisonedEvery > 0 && index % poisonedEvery === 0)
      .map((key) => [key, 1 + Math.floor(random() * eventsEach)]),
  );
  try {
    world.crew.breakDown(CAUSE);
    await publishAll(world, keys, eventsEach, poisonAt);
    const ownersKilled = await runWithKills(world, options);
    const parked = await world.operator.list({ topic }, { limit: aggregates });
    const whole = parked.filter(
      ({ aggregateId, letters, state }) =>
        state === 'parked' && letters === eventsEach - (poisonAt.get(aggregateId) ?? Infinity) + 1,
    );
    const healthy = world.runs().filter(({ key, ok }) => ok === true && !poisonAt.has(key));
    const healthyMs = lastEnd(healthy) - (healthy[0]?.start ?? 0);
    world.crew.mend(CAUSE);
    const retriedAt = performance.now();
    const { unparked } = await world.operator.retryAll({ topic }, { ratePerSecond: RETRIES_PER_SECOND });
    const retryMs = Math.round(performance.now() - retriedAt);
    await world.whenAllHandled();
    const findings = await world.judge();
    const handlersCutShort = interrupted(world);
    if (findings.length === 0) world.forget();
    return {
      ...{ findings, events: world.published, retryMs, retried: unparked.length },
      healthyMs: Math.round(healthyMs),
      healthyPerSecond: Math.round(((aggregates - poisonAt.size) * eventsEach * 1_000) / healthyMs),
      handlersCutShort,
      ownersKilled,
      poisoned: poisonAt.size,
      parkedWhole: whole.length,
    };
  } finally {
    await world.close();
  }
}

function interrupted(world: ParkingWorld): number {
  return world.runs().filter(({ ok }) => ok === undefined).length;
}

function lastEnd(runs: readonly { readonly end: number }[]): number {
  return runs.reduce((latest, { end }) => Math.max(latest, end), 0);
}

async function publishAll(
  world: ParkingWorld,
  keys: readonly string[],
  eventsEach: number,
  poisonAt: ReadonlyMap<string, number>,
): Promise<void> {
  for (let n = 1; n <= eventsEach; n++) {
    for (let from = 0; from < keys.length; from += PUBLISHED_AT_ONCE) {
      const some = keys.slice(from, from + PUBLISHED_AT_ONCE);
      await Promise.all(
        some.map((key) => world.publish(key, poisonAt.get(key) === n ? { cause: CAUSE } : {})),
      );
    }
  }
}

/** Resolves when every event is handled or a letter, with how many owners were killed. */
async function runWithKills(world: ParkingWorld, { kills, killEveryMs }: CrowdOptions): Promise<number> {
  const living: Worker[] = [];
  for (let index = 0; index < PROCESSES; index++) living.push(await world.crew.spawn());
  await Promise.all(living.map((worker) => worker.ready()));
  let killed = 0;
  for (let kill = 0; kill < kills; kill++) {
    await delay(killEveryMs);
    living.sort((a, b) => b.lastHeldAt - a.lastHeldAt);
    const owner = living.shift();
    if (owner !== undefined && owner.lastHeldAt > 0) killed++;
    await owner?.kill();
    living.push(await world.crew.spawn());
  }
  await eventually(
    'everything to be settled',
    async () => {
      await delay(LOOK_EVERY_MS);
      return world.tap.positionReader.isSettled();
    },
    SETTLED_WITHIN_MS,
  );
  return killed;
}
