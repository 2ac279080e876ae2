import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { OwnershipWalk } from './ownership-walk.js';
import type { Broken } from './walk-process.js';

const STEPS = 250;
const RUNS = Number(process.env['WALKS'] ?? 12);

test.each([
  ['while processes die, freeze and are cut off', false],
  ['beside processes of a release without sessions, too', true],
])(
  'a partition has one owner at a time and gets the next one in time, %s',
  async (_, isMixed) => {
    let changes = 0;
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const walk = new OwnershipWalk({ seed, steps: STEPS, isMixed });
        expect(await walk.run()).toEqual([]);
        changes += walk.changes;
      }),
      { numRuns: RUNS },
    );
    expect(changes).toBeGreaterThan(2 * RUNS);
  },
  60_000 + 3_000 * RUNS,
);

describe('the walk notices', () => {
  test.each<[Broken, number, boolean]>([
    ['sessions-not-compared', 1, false],
    ['leases-not-compared', 1, false],
    ['clock-stands-while-frozen', 2, false],
    ['ttl-not-waited-for', 1, false],
    ['beats-begin-alike', 22, false],
    ['holds-not-told', 14, false],
    ['ttl-told-to-all', 3, true],
  ])(
    '%s',
    async (broken, first, isMixed) => {
      const found: string[] = [];
      for (let seed = first; seed < first + 60 && found.length === 0; seed++) {
        found.push(...(await new OwnershipWalk({ seed, steps: STEPS, broken, isMixed }).run()));
      }
      expect(found).not.toEqual([]);
    },
    120_000,
  );
});
