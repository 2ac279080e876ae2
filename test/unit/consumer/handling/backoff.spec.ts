import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { backoffMs } from '#library/consumer/handling/backoff.js';

const plain = { firstDelayMs: 100, factor: 2, maxDelayMs: 30_000, jitter: 0 };

test('waits grow by the factor from the first, up to the longest', () => {
  expect([1, 2, 3, 4, 9, 10, 11].map((attempt) => backoffMs(attempt, plain, 0.5))).toEqual([
    100, 200, 400, 800, 25_600, 30_000, 30_000,
  ]);
});

test('jitter takes away at most its share', () => {
  const backoff = { ...plain, jitter: 0.2 };
  expect(backoffMs(1, backoff, 0)).toBe(100);
  expect(backoffMs(1, backoff, 0.5)).toBe(90);
  expect(backoffMs(1, backoff, 0.999_999)).toBe(80);
});

test('the ten attempts of the default take about 51 s', () => {
  const total = (random: number): number =>
    Array.from({ length: 9 }, (_, n) => backoffMs(n + 1, { ...plain, jitter: 0.2 }, random)).reduce(
      (a, b) => a + b,
    );
  expect(total(0)).toBe(51_100);
  expect(total(0.999)).toBeGreaterThan(40_000);
});

test('every wait is a whole number of milliseconds from 1 to the longest, for any attempt', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000_000 }),
      fc.record({
        firstDelayMs: fc.integer({ min: 1, max: 1_000_000 }),
        factor: fc.double({ min: 1, max: 100, noNaN: true }),
        maxDelayMs: fc.integer({ min: 1, max: 1_000_000 }),
        jitter: fc.double({ min: 0, max: 1, noNaN: true }),
      }),
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      (attempt, backoff, random) => {
        const wait = backoffMs(attempt, backoff, random);
        expect(Number.isInteger(wait)).toBe(true);
        expect(wait).toBeGreaterThanOrEqual(1);
        expect(wait).toBeLessThanOrEqual(backoff.maxDelayMs);
      },
    ),
  );
});
