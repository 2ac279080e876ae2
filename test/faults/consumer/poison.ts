import { setTimeout as scheduled } from 'node:timers/promises';
import type { Finding } from '../oracle/finding.js';
import { type History, readHistory } from '../oracle/history.js';
import type { World } from './world.js';

/** A part of the names of the keys beside it, too. */
const KEY = 'poison';
const LOOK_EVERY_MS = 250;
/** A death costs a lease and a start of a process. */
const PER_DEATH_MS = 4_000;
const OTHERS_WITHIN_MS = 10_000;

/**
 * C11: publishes an event that kills every process that handles it. It may do so as often as an event has attempts,
 * and no more; then the keys beside it go on. It leaves an unsettled event behind, so it comes near the end.
 */
export async function checkPoison(world: World): Promise<Finding[]> {
  const { load, folder, consumers, journal } = world.parts;
  journal.write({ what: 'phase', name: 'an event that kills its process' });
  load.request({ kills: true });
  load.publish(KEY);
  await load.stop();
  const read = (): History => readHistory(folder, { stored: [], consumers, quiet: true }, KEY);
  // Its first start came without a suspicion, so nobody wrote that one down.
  const allowed = consumers.attempts + 1;
  const deaths = (): number => read().attempts.filter(({ key }) => key === KEY).length;
  const until = performance.now() + (allowed + 1) * PER_DEATH_MS;
  while (deaths() <= allowed && performance.now() < until) await scheduled(LOOK_EVERY_MS);
  const found = deaths();
  if (found > allowed) {
    return [{ checker: 'C11', text: `${KEY}: the event was started ${found} times, ${allowed} are allowed` }];
  }
  return found === 0
    ? [{ checker: 'C11', text: `${KEY}: the event was never started` }]
    : othersGoOn(world, read);
}

async function othersGoOn({ parts }: World, read: () => History): Promise<Finding[]> {
  const keys = Array.from({ length: 20 }, (_, index) => `beside-poison-${index}`);
  for (const key of keys) parts.load.publish(key);
  await parts.load.stop();
  const until = performance.now() + OTHERS_WITHIN_MS;
  const missing = (): string[] => {
    const done = new Set(read().attempts.flatMap(({ key, ok }) => (ok === true ? [key] : [])));
    return keys.filter((key) => !done.has(key));
  };
  while (missing().length > 0 && performance.now() < until) await scheduled(LOOK_EVERY_MS);
  return missing().map((key) => ({
    checker: 'C11',
    text: `${key} was not handled beside the poison within ${OTHERS_WITHIN_MS} ms`,
  }));
}
