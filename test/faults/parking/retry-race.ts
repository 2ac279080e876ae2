import { setTimeout as delay } from 'node:timers/promises';
import type { SabotagedRule } from '#library/sabotage.js';
import { eventually } from '../../support/eventually.js';
import { randomFor } from '../harness/random.js';
import type { Worker } from './crew.js';
import { ParkingWorld, type ParkingWorldOptions } from './parking-world.js';

export interface RaceOptions {
  readonly server: ParkingWorldOptions['server'];
  readonly topic: string;
  readonly seed: number;
  readonly sabotage?: SabotagedRule;
  /** The owner is killed so often meanwhile. */
  readonly kills?: number;
}

const CAUSE = 'stock';
const KEYS = Array.from({ length: 16 }, (_, index) => `ill-${index}`);
const BEFORE = 3;
const DURING = 150;
const MAX_PAUSE_MS = 5;
const KILL_EVERY_MS = 400;
/** A retry that its owner did not live to answer is asked for again. */
const KILLED_PAUSE_MS = 25;

/** Aggregates are retried while their events are published. Resolves with the promises that were broken. */
export async function raceRetries({
  server,
  topic,
  seed,
  sabotage,
  kills = 0,
}: RaceOptions): Promise<readonly string[]> {
  const random = randomFor(seed);
  const world = await ParkingWorld.open({ server, topic });
  try {
    world.crew.breakDown(CAUSE);
    const first = await world.crew.spawn({ sabotage });
    await first.holds();
    for (const key of KEYS) await world.publish(key, { cause: CAUSE });
    for (let n = 1; n < BEFORE; n++) for (const key of KEYS) await world.publish(key);
    const areParked = async (): Promise<boolean> => {
      const parked = await world.operator.list({ topic });
      return parked.length === KEYS.length && parked.every(({ letters }) => letters === BEFORE);
    };
    await eventually('all to be parked', areParked);
    world.crew.mend(CAUSE);
    const pauseMs = kills > 0 ? KILLED_PAUSE_MS : MAX_PAUSE_MS;
    const killed = killOwners(world, first, kills, sabotage);
    const published = Promise.all(
      KEYS.map(async (key) => {
        // Slower than letters are replayed, or the race is over only when nothing is published any more.
        for (let n = 0; n < DURING; n++) await world.publish(key).then(() => delay(random() * pauseMs));
      }),
    );
    await Promise.all([
      ...KEYS.map((key) => world.comesBack(key, sabotage !== undefined)),
      published,
      killed,
    ]);
    const findings = await world.judge();
    if (findings.length === 0 || sabotage !== undefined) world.forget();
    return findings;
  } finally {
    await world.close();
  }
}

/** Kills the owner, as often as asked for; each time another process stands by. */
async function killOwners(
  world: ParkingWorld,
  first: Worker,
  kills: number,
  sabotage: SabotagedRule | undefined,
): Promise<void> {
  let owner = first;
  for (let kill = 0; kill < kills; kill++) {
    const next = await world.crew.spawn({ sabotage });
    await next.ready();
    await delay(KILL_EVERY_MS);
    await owner.kill();
    await next.holds();
    owner = next;
  }
}
