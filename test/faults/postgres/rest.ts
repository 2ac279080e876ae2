import { setTimeout as delay } from 'node:timers/promises';
import { type History, readHistory } from './history.js';
import { untilAllReady } from './nemesis.js';
import { isAtRest } from './oracle.js';
import type { World } from './world.js';

/** A relay that was frozen keeps a lock until PostgreSQL ends its session, and rows wait as long. */
const REST_WITHIN_MS = 180_000;
const SABOTAGED_REST_WITHIN_MS = 10_000;
const LOOK_EVERY_MS = 500;

/** The load ends, and all that was begun ends too, or the time is over. */
export async function untilRest(world: World, isSabotaged: boolean): Promise<History> {
  await untilAllReady(world);
  for (const member of world.of('shop')) member.quiet();
  const until = performance.now() + (isSabotaged ? SABOTAGED_REST_WITHIN_MS : REST_WITHIN_MS);
  for (;;) {
    await delay(LOOK_EVERY_MS);
    const history = await readHistory(world);
    if (isAtRest(history) || performance.now() > until) return settled(world, history);
  }
}

/** What was under way when the last row was read is over now; nothing may have come after it. */
async function settled(world: World, last: History): Promise<History> {
  await delay(LOOK_EVERY_MS);
  const history = await readHistory(world);
  return isAtRest(last) && !isAtRest(history) ? settled(world, history) : history;
}
