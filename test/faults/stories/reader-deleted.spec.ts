import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from '@jest/globals';
import { eventually } from '../../support/eventually.js';
import { GOOD, historySoFar, outcomeOf, tell } from './tell.js';

// Needs `npm run build`: workers are built code.

const ROUNDS = 3;
const KEYS = Array.from({ length: 8 }, (_, index) => `key-${index}`);
const PARTITIONS = 2;

test('an owner whose readers are deleted continues with others, repeats nothing, and leaves none behind', async () => {
  const told = await tell({
    options: { serverVersion: '2.15' },
    processes: 1,
    // Nothing may come again here: a lease that ends would be an excuse.
    consumers: { leaseTtlMs: 20_000, partitions: PARTITIONS },
    act: async (world) => {
      const { fleet, load, tap } = world.parts;
      await fleet.slots[0]?.spawn();
      for (let round = 1; round <= ROUNDS; round++) {
        for (let n = 0; n < 200; n++) load.publish(KEYS[n % KEYS.length]!);
        await delay(20);
        await tap.deleteReaders();
        for (let n = 0; n < 200; n++) load.publish(KEYS[n % KEYS.length]!);
        await eventually(
          'everything to be handled',
          () => historySoFar(world).attempts.filter(({ ok }) => ok === true).length === round * 400,
        );
      }
      await eventually('one reader per partition', async () => (await tap.readers()).length === PARTITIONS);
    },
    proof: (_history, { evidence }) =>
      evidence.replays === 0 ? undefined : `expected no repeats, found ${evidence.replays}`,
  });
  expect(outcomeOf(told)).toEqual(GOOD);
}, 60_000);
