import { eventually } from '../../support/eventually.js';
import { historySoFar, type StoryOptions, tell, type Told } from './tell.js';

const KEYS = Array.from({ length: 16 }, (_, index) => `key-${index}`);
const EVENTS = 200;
/** Promised: an edit is noticed within this time. */
const NOTICED_WITHIN_MS = 10_000;
/** An edit may be noticed before the reader has delivered anything: then it is made again. */
const TRIES = 5;

/**
 * An operator edits the reader of an owner that works:
 *
 * 1. The filter is narrowed to one half of the aggregates. Events of both halves are published.
 * 2. The reader passes over one half. Its deliveries stay contiguous, and events after what it passed over are settled.
 * 3. The owner notices the edit, and makes another reader. What was passed over is handled, once and in order.
 *
 * Until then commits call settled what was passed over (decision 11), so that is not judged.
 */
export function tellEditedReader(options: StoryOptions): Promise<Told> {
  let passedOver = 0;
  return tell({
    options,
    suspended: 'positions-tell-the-truth',
    processes: 1,
    // Nothing may come again here: a lease that ends would be an excuse.
    consumers: { leaseTtlMs: 20_000, partitions: 1 },
    act: async (world) => {
      const { fleet, load, tap } = world.parts;
      await fleet.slots[0]?.spawn();
      for (let n = 0; n < EVENTS; n++) load.publish(KEYS[n % KEYS.length]!);
      const handled = (): number => historySoFar(world).attempts.filter(({ ok }) => ok === true).length;
      await eventually('the first events to be handled', () => handled() === EVENTS);
      let published = EVENTS;
      for (let tries = 0; tries < TRIES && passedOver === 0; tries++) {
        await tap.narrowReaders();
        for (let n = 0; n < EVENTS; n++) load.publish(KEYS[n % KEYS.length]!);
        published += EVENTS;
        await load.stop();
        passedOver = await tap.passedOver();
      }
      // Positions call all of it settled before that, so they do not tell.
      await eventually('all to be handled', () => handled() === published, NOTICED_WITHIN_MS).catch(
        () => undefined,
      );
    },
    proof: (_history, { evidence }) => {
      if (passedOver === 0) return 'expected an edited reader to pass over events, found none';
      return evidence.replays === 0 ? undefined : `expected no repeats, found ${evidence.replays}`;
    },
  });
}
