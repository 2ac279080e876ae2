import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually.js';
import { historySoFar, type StoryOptions, tell, type Told } from './tell.js';

/** Every step of an owner at which it is stopped here, and the times it comes there before. */
export const OWNER_STEPS: Readonly<Record<string, number>> = {
  'lease: taken': 2,
  'claim: position claimed': 2,
  'claim: markers loaded': 1,
  'commit: written': 4,
};

/**
 * The steps of an owner beside first starts, parked aggregates and changes of layout: these have stories of their own.
 */
export const OWNER_STEP = /^(lease|claim|commit): /;

const KEYS = Array.from({ length: 8 }, (_, index) => `key-${index}`);
const EVENTS = 160;
const PUBLISH_EVERY_MS = 5;
const LEASE_TTL_MS = 1_000;
const STOPPED_WITHIN_MS = 60_000;
const THAWED_FOR_MS = 300;

/**
 * The owner of two partitions is stopped at one step, under load. Another process takes over. A frozen owner wakes when
 * its successor has handled events for a while.
 */
export function stopOwnerAt(step: string, fault: 'kill' | 'freeze', options: StoryOptions): Promise<Told> {
  let hasStopped = false;
  return tell({
    options,
    consumers: { leaseTtlMs: LEASE_TTL_MS },
    act: async (world) => {
      const { fleet, load, journal } = world.parts;
      const [first, second] = fleet.slots;
      if (first === undefined || second === undefined) return;
      const stopAt = `${fault}:${step}#${OWNER_STEPS[step] ?? 1}`;
      void first.spawn({ stopAt });
      const isStopped = (): boolean => first.isFrozen || !first.running;
      const published = (async () => {
        for (let n = 0; n < EVENTS; n++) {
          load.publish(KEYS[n % KEYS.length]!);
          await delay(PUBLISH_EVERY_MS);
        }
      })();
      await eventually('the owner to be stopped', isStopped, STOPPED_WITHIN_MS);
      hasStopped = true;
      journal.write({ what: 'fault', kind: fault, on: true, slot: first.index });
      await second.spawn();
      await published;
      await eventually('its successor to handle events', () =>
        historySoFar(world).attempts.some(({ worker, ok }) => worker === second.worker && ok === true),
      );
      if (fault === 'freeze') first.thaw();
      journal.write({ what: 'fault', kind: fault, on: false, slot: first.index });
      await delay(THAWED_FOR_MS);
    },
    proof: () => (hasStopped ? undefined : `expected the owner to be stopped at "${step}"`),
  });
}
