import { describe, expect, test } from '@jest/globals';
import { median, percentile, ratios, spreadOf } from '../../../bench/statistics.js';

describe('percentile', () => {
  const values = [5, 1, 4, 2, 3, 10, 9, 8, 7, 6];

  test.each([
    [0, 1],
    [0.1, 1],
    [0.11, 2],
    [0.5, 5],
    [0.99, 10],
    [1, 10],
  ])('by the nearest rank: %p of 1 to 10 is %p', (part, expected) => {
    expect(percentile(values, part)).toBe(expected);
  });

  test('of nothing is no number, and the values given keep their order', () => {
    expect(percentile([], 0.5)).toBeNaN();
    percentile(values, 0.5);
    expect(values[0]).toBe(5);
  });
});

test('the median of an even number of values lies between the two in the middle', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([3, 1, 2])).toBe(2);
  expect(median([])).toBeNaN();
  expect(spreadOf([3, 1, 2])).toEqual({ median: 2, min: 1, max: 3 });
});

test('ratios are taken round by round: a machine half as fast in one round changes none', () => {
  expect(ratios([10, 5, 10], [20, 10, 20])).toEqual([0.5, 0.5, 0.5]);
  expect(ratios([10, 5], [20])).toEqual([0.5]);
});
