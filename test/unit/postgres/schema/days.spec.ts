import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { planDays } from '#postgres/schema/days.js';

const DAY_MS = 86_400_000;
const at = (day: number, hours = 12): { wallMs: number; days: number } => ({
  wallMs: day * DAY_MS + hours * 3_600_000,
  days: 3,
});

test('makes today and the days ahead, the missing ones alone', () => {
  expect(planDays(at(100), [])).toEqual({ make: [100, 101, 102], drop: [] });
  expect(planDays(at(100), [100, 102])).toEqual({ make: [101], drop: [] });
});

test('the days of a moment are those of UTC, to the millisecond', () => {
  expect(planDays({ wallMs: 101 * DAY_MS - 1, days: 1 }, []).make).toEqual([100]);
  expect(planDays({ wallMs: 101 * DAY_MS, days: 1 }, []).make).toEqual([101]);
});

test('leaves today and yesterday, however empty, and drops older days, the oldest first', () => {
  expect(planDays(at(100, 0), [99, 98, 97, 100, 101, 102])).toEqual({ make: [], drop: [97, 98] });
});

test('never makes a day that is there, and never drops one that is wanted, for any days', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 0, max: 60 })),
      fc.integer({ min: 0, max: 60 }),
      (existing, day) => {
        const { make, drop } = planDays(at(day), existing);
        expect(make.filter((one) => existing.includes(one))).toEqual([]);
        expect(drop.every((one) => existing.includes(one) && one < day - 1)).toBe(true);
        const then = [...existing.filter((one) => !drop.includes(one)), ...make];
        expect(then).toEqual(expect.arrayContaining([day, day + 1, day + 2]));
        expect(planDays(at(day), then)).toEqual({ make: [], drop: [] });
      },
    ),
  );
});
