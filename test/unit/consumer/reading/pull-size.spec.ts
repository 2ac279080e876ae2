import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pullSize } from '#library/consumer/reading/pull-size.js';

const limits = { batch: 500, maxHeld: 10_000, maxHeldBytes: 1_000_000 };
const load = { outstanding: 0, held: 0, heldBytes: 0, averageBytes: 100 };

test.each([
  ['an empty house asks for a whole batch', {}, 500],
  ['half of it used: asks for that half', { outstanding: 250 }, 250],
  ['less than half used: waits', { outstanding: 251 }, 0],
  ['nearly all lanes full: only what they still hold', { held: 9_990 }, 10],
  ['what is under way counts as held', { held: 9_800, outstanding: 60 }, 140],
  ['a few more beside an open pull: not yet', { held: 9_900, outstanding: 60 }, 0],
  ['lanes full: nothing', { held: 10_000 }, 0],
  ['lanes over full: nothing', { held: 10_500 }, 0],
  ['bytes nearly used up: what still fits', { held: 1, heldBytes: 999_000 }, 10],
  ['bytes used up: nothing', { held: 1, heldBytes: 1_000_000 }, 0],
  ['big events: fewer', { averageBytes: 100_000 }, 10],
  ['events larger than the limit, empty house: one', { averageBytes: 2_000_000 }, 1],
  [
    'events larger than the limit, one held: none',
    { averageBytes: 2_000_000, held: 1, heldBytes: 2_000_000 },
    0,
  ],
])('%s', (_name, given, size) => {
  expect(pullSize({ ...load, ...given }, limits)).toBe(size);
});

test('never asks for more than batch, lanes and bytes can take, and never stays at 0 in an empty house', () => {
  fc.assert(
    fc.property(
      fc.record({
        outstanding: fc.nat(600),
        held: fc.nat(2_000),
        heldBytes: fc.nat(200_000),
        averageBytes: fc.double({ min: 0, max: 10_000, noNaN: true }),
      }),
      fc.record({
        batch: fc.integer({ min: 1, max: 600 }),
        maxHeld: fc.integer({ min: 1, max: 2_000 }),
        maxHeldBytes: fc.integer({ min: 1, max: 200_000 }),
      }),
      (given, bounds) => {
        const size = pullSize(given, bounds);
        expect(Number.isInteger(size) && size >= 0).toBe(true);
        if (given.held === 0 && given.outstanding === 0) expect(size).toBeGreaterThan(0);
        if (size === 0 || (size === 1 && given.held === 0 && given.outstanding === 0)) return;
        expect(given.outstanding + size).toBeLessThanOrEqual(bounds.batch);
        expect(given.held + given.outstanding + size).toBeLessThanOrEqual(bounds.maxHeld);
        expect(
          given.heldBytes + (given.outstanding + size) * Math.max(1, given.averageBytes),
        ).toBeLessThanOrEqual(bounds.maxHeldBytes * (1 + 1e-9));
      },
    ),
  );
});
