import { eventually } from '../../support/eventually.js';
import { type StoryOptions, tell, type Told } from './tell.js';

const KEYS = Array.from({ length: 40 }, (_, index) => `key-${index}`);
const BEFORE = 'before-';
const LEASE_TTL_MS = 1_000;
const PARTITIONS = 8;
const STOPPED_WITHIN_MS = 60_000;

/**
 * The first start of a group with `startAt: 'new'` dies at one of its writes. Events are published before the next
 * start. The group's record says once where every partition begins, so none of them may be missing.
 */
export function killFirstStart(stopAt: string, options: StoryOptions): Promise<Told> {
  return tell({
    options,
    consumers: { leaseTtlMs: LEASE_TTL_MS, partitions: PARTITIONS, startAt: 'new' },
    notHandled: BEFORE,
    act: async (world) => {
      const { fleet, load } = world.parts;
      const [first, second] = fleet.slots;
      if (first === undefined || second === undefined) return;
      for (const key of KEYS) load.publish(`${BEFORE}${key}`);
      await load.stop();
      void first.spawn({ stopAt: `kill:${stopAt}` });
      await eventually(`the first start to die at ${stopAt}`, () => !first.running, STOPPED_WITHIN_MS);
      await first.kill();
      for (const key of KEYS) load.publish(key);
      await load.stop();
      await second.spawn();
      for (const key of KEYS) load.publish(key);
    },
    proof: ({ attempts }) =>
      attempts.some(({ key }) => key.startsWith(BEFORE))
        ? 'expected nothing from before the group to be handled, found some'
        : undefined,
  });
}

/** Some partitions have written their first position when the start dies, the others have not. */
export function tellFirstStart(options: StoryOptions): Promise<Told> {
  return killFirstStart('claim: position claimed#3', options);
}
