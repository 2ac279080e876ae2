import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Runs } from '#library/consumer/position/runs.js';

test('an event keeps its run when the run grows after it, and later events have the next one', () => {
  const runs = new Runs(3).raised(10).raised(20);
  expect([1, 10, 11, 20, 21].map((sequence) => runs.of(sequence))).toEqual([3, 3, 4, 4, 5]);
  expect(runs).toMatchObject({ run: 5, isFull: false });
});

test('a run that no event is of needs no step', () => {
  expect(new Runs(3).raised(10).raised(10)).toMatchObject({ run: 5, steps: [[10, 3]] });
});

test('a step goes once every event up to it is settled', () => {
  const runs = new Runs(0).raised(10).raised(20);
  expect(runs.settled(9).steps).toEqual(runs.steps);
  expect(runs.settled(10).steps).toEqual([[20, 1]]);
  expect(runs.settled(25)).toMatchObject({ run: 2, steps: [] });
});

test('says so when no further step fits', () => {
  let runs = new Runs(0);
  for (let through = 1; through <= 64; through++) runs = runs.raised(through);
  expect([runs.isFull, runs.settled(1).isFull]).toEqual([true, false]);
});

test('runs never fall from one event to a later one, in any order of growing and settling', () => {
  const step = fc.tuple(fc.boolean(), fc.nat(100));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      let runs = new Runs(0);
      let settledThrough = 0;
      for (const [grows, sequence] of steps) {
        const before = runs;
        runs = grows ? runs.raised(sequence) : runs.settled(sequence);
        if (!grows) settledThrough = Math.max(settledThrough, sequence);
        // Settled events are never asked for again.
        for (let one = settledThrough + 1; one <= 101; one++) {
          expect(runs.of(one)).toBeLessThanOrEqual(runs.of(one + 1));
          if (!grows) expect(runs.of(one)).toBe(before.of(one));
        }
      }
    }),
  );
});
