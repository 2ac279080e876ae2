import { setTimeout as delay } from 'node:timers/promises';
import type { SabotagedRule } from '#library/sabotage.js';
import { eventually } from '../../support/eventually.js';
import { randomFor } from '../harness/random.js';
import { ParkingWorld, type ParkingWorldOptions } from './parking-world.js';

const CAUSE = 'stock';
const KEYS = Array.from({ length: 16 }, (_, index) => `ill-${index}`);
const BEFORE = 3;
const DURING = 150;
const MAX_PAUSE_MS = 5;

/** Aggregates are retried while their events are published. Resolves with the promises that were broken. */
export async function raceRetries(
  server: ParkingWorldOptions['server'],
  topic: string,
  seed: number,
  sabotage?: SabotagedRule,
): Promise<readonly string[]> {
  const random = randomFor(seed);
  const world = await ParkingWorld.open({ server, topic });
  try {
    world.crew.breakDown(CAUSE);
    await (await world.crew.spawn({ sabotage })).holds();
    for (const key of KEYS) await world.publish(key, { cause: CAUSE });
    for (let n = 1; n < BEFORE; n++) for (const key of KEYS) await world.publish(key);
    const areParked = async (): Promise<boolean> => {
      const parked = await world.operator.list({ topic });
      return parked.length === KEYS.length && parked.every(({ letters }) => letters === BEFORE);
    };
    await eventually('all to be parked', areParked);
    world.crew.mend(CAUSE);
    const published = Promise.all(
      KEYS.map(async (key) => {
        // Slower than letters are replayed, or the race is over only when nothing is published any more.
        for (let n = 0; n < DURING; n++) await world.publish(key).then(() => delay(random() * MAX_PAUSE_MS));
      }),
    );
    await Promise.all([...KEYS.map((key) => world.comesBack(key, sabotage !== undefined)), published]);
    const findings = await world.judge();
    if (findings.length === 0 || sabotage !== undefined) world.forget();
    return findings;
  } finally {
    await world.close();
  }
}
