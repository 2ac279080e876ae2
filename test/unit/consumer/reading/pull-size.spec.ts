import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { pullSize } from '#library/consumer/reading/pull-size.js';

const limits = { batch: 500, maxHeld: 10_000, maxHeldBytes: 1_000_000 };
const load = { outstanding: 0, held: 0, heldBytes: 0, averageBytes: 100 };

test.each([
  ['a whole batch while nothing is held', {}, 500],
  ['the other half when half of a batch is used', { outstanding: 250 }, 250],
  ['nothing while less than half is used', { outstanding: 251 }, 0],
  ['what the bound still allows when it is nearly reached', { held: 9_990 }, 10],
  ['less by what is asked for already', { held: 9_800, outstanding: 60 }, 140],
  ['nothing beside an open pull while it would be a few events', { held: 9_900, outstanding: 60 }, 0],
  ['nothing when the bound is reached', { held: 10_000 }, 0],
  ['nothing when the bound has fallen below what is held', { held: 10_500 }, 0],
  ['what fits into the bytes that are left', { held: 1, heldBytes: 999_000 }, 10],
  ['nothing when the bytes are used up', { held: 1, heldBytes: 1_000_000 }, 0],
  ['fewer of larger events', { averageBytes: 100_000 }, 10],
  ['one event larger than all bytes while nothing is held', { averageBytes: 2_000_000 }, 1],
  ['one event while nothing is held though others use up the bytes', { heldBytes: 1_000_000 }, 1],
  ['none of that size while one is held', { averageBytes: 2_000_000, held: 1, heldBytes: 2_000_000 }, 0],
])('asks for %s', (_what, given, size) => {
  expect(pullSize({ ...load, ...given }, limits)).toBe(size);
});

test('asks for as much as the bound allows if that is less than a batch', () => {
  expect(pullSize(load, { ...limits, maxHeld: 3 })).toBe(3);
  expect(pullSize({ ...load, held: 2 }, { ...limits, maxHeld: 3 })).toBe(1);
});

test('never asks for more than batch, bound and bytes allow, and never for nothing while nothing is held or asked for', () => {
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
        const isEmpty = given.held === 0 && given.outstanding === 0;
        if (isEmpty) expect(size).toBeGreaterThan(0);
        if (size === 0 || (size === 1 && isEmpty)) return;
        const bytes = given.heldBytes + (given.outstanding + size) * Math.max(1, given.averageBytes);
        expect(given.outstanding + size).toBeLessThanOrEqual(bounds.batch);
        expect(given.held + given.outstanding + size).toBeLessThanOrEqual(bounds.maxHeld);
        expect(bytes).toBeLessThanOrEqual(bounds.maxHeldBytes * (1 + 1e-9));
      },
    ),
  );
});
