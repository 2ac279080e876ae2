import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../support/eventually.js';
import { historySoFar, type StoryOptions, tell, type Told } from './tell.js';

const KEYS = Array.from({ length: 150 }, (_, index) => `key-${index}`);
const SMALL_WINDOW = 20;
const SMALL = { maxAckPending: SMALL_WINDOW, batch: SMALL_WINDOW };
/** They end before the second owner dies; more than its window holds. */
const FAST = 80;
const CONSUMERS = {
  partitions: 1,
  concurrency: 256,
  leaseTtlMs: 1_000,
  maxHandlerMs: 1_000,
  steadyHandlers: true,
};
/** The first ones have ended by then, and the others have not. */
const FIRST_END_AFTER_MS = 1_500;
const SLOW_MS = 4_000;

/**
 * The owner's option becomes smaller from one process to the next:
 *
 * 1. A may take in 2 000 events. It starts 150 at once and dies.
 * 2. B may take in 20. It inherits 150 unsettled ones, starts them, and writes that the first 80 have ended. It dies.
 * 3. C looks for a killer among the events that B's position names: all that A and B had started must be there.
 */
export function tellShrinkingWindow(options: StoryOptions): Promise<Told> {
  return tell({
    options,
    processes: 3,
    consumers: CONSUMERS,
    act: async (world) => {
      const { fleet, load, journal } = world.parts;
      const [first, second, third] = fleet.slots;
      if (first === undefined || second === undefined || third === undefined) return;
      const startsOf = (worker: string): number =>
        historySoFar(world).attempts.filter((attempt) => attempt.worker === worker).length;
      await first.spawn({});
      for (const [index, key] of KEYS.entries()) {
        if (index >= FAST) load.request({ slowMs: SLOW_MS });
        load.publish(key);
        // Stored in this order.
        await load.stop();
      }
      await eventually('all to be started', () => startsOf(first.worker) === KEYS.length);
      journal.write({ what: 'fault', kind: 'kill', on: true, slot: first.index });
      await first.kill();
      await second.spawn({ setup: SMALL });
      await eventually(
        'the second owner to start most of them',
        () => startsOf(second.worker) > KEYS.length / 2,
      );
      await delay(FIRST_END_AFTER_MS);
      journal.write({ what: 'fault', kind: 'kill', on: true, slot: second.index });
      await second.kill();
      await third.spawn({ setup: SMALL });
    },
    proof: ({ positions }, { evidence }) => {
      if (evidence.takeovers < 3) return 'expected three owners';
      const hasWritten = positions.some(({ epoch, write }) => epoch === 2 && write > 1);
      return hasWritten ? undefined : 'expected the second owner to write that some have ended';
    },
  });
}
