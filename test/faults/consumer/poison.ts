import { setTimeout as scheduled } from 'node:timers/promises';
import type { Finding } from '../oracle/finding.js';
import { type History, readHistory } from '../oracle/history.js';
import type { World } from './world.js';

/** A part of the names of the keys beside it, too. */
const KEY = 'poison';
const LOOK_EVERY_MS = 250;
/**
 * A death costs a lease and a start of a process, which takes seconds on a busy machine. Ends early when it is found.
 */
const PER_DEATH_MS = 20_000;
/** As above. How soon others continue is measured by the bench `takeover`. */
const OTHERS_WITHIN_MS = 60_000;

/** Owners that die before the next one suspects anything. */
const FREE_DEATHS = 2;

/**
 * `poison-found`: publishes an event that kills every process that handles it. Two deaths raise a suspicion; then the
 * event may start as often as it has attempts, at least twice, and no more. It ends as the only letter, and the keys
 * beside it continue. It leaves a letter behind, so it comes near the end.
 */
export async function checkPoison(world: World): Promise<Finding[]> {
  const { load, folder, consumers, journal, tap } = world.parts;
  journal.write({ what: 'phase', name: 'an event that kills its process' });
  load.request({ kills: true });
  load.publish(KEY);
  await load.stop();
  const read = (): History => readHistory(folder, { stored: [], consumers, quiet: true }, KEY);
  const allowed = FREE_DEATHS + Math.max(2, consumers.attempts);
  const starts = (): number => read().attempts.filter(({ key }) => key === KEY).length;
  const until = performance.now() + (allowed + 1) * PER_DEATH_MS;
  while (starts() <= allowed && (await tap.letters()) !== 1 && performance.now() < until)
    await scheduled(LOOK_EVERY_MS);
  if (starts() === 0) return [{ checker: 'poison-found', text: `${KEY}: the event was never started` }];
  const beside = starts() > allowed ? [] : await othersGoOn(world, read);
  const found = starts();
  if (found <= allowed) return beside;
  const text = `${KEY}: the event was started ${found} times, ${allowed} are allowed`;
  return [...beside, { checker: 'poison-found', text }];
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
  const letters = await parts.tap.letters();
  const blamed: Finding[] =
    letters === 1
      ? []
      : [{ checker: 'poison-found', text: `expected one letter, found ${letters ?? 'none'}` }];
  const late = missing().map((key): Finding => ({
    checker: 'poison-found',
    text: `${key} was not handled beside the poison within ${OTHERS_WITHIN_MS} ms`,
  }));
  return [...blamed, ...late];
}
