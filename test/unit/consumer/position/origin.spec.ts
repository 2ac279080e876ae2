import { expect, test } from '@jest/globals';
import { Origin } from '#library/consumer/position/origin.js';
import { partitionOf } from '#library/message/partitioning.js';

/** One aggregate of each half of the subjects. */
const [low, high] = [0, 1].map((half) =>
  Array.from({ length: 50 }, (_, index) => `k${index}`).find((token) => partitionOf(token, 2) === half)!,
) as [string, string];

const origin = new Origin({
  partitions: 2,
  sources: [
    { partition: 0, high: 20, unsettled: '5 3' },
    { partition: 1, high: 9, unsettled: '' },
  ],
});

test.each([
  ['an event below the source’s high that it does not list', low, 7, true],
  ['an event that its source lists', low, 8, false],
  ['the highest settled event of its source', low, 20, true],
  ['an event above all sources', low, 21, false],
  ['an event above its own source, below the other', high, 10, false],
  ['an event that its own source does not list though the other does', high, 5, true],
])('knows %s', (_what, token, sequence, isSettled) => {
  expect(origin.hasSettled({ token, sequence })).toBe(isSettled);
});

test('says nothing of events above the largest high of its sources', () => {
  expect(origin.through).toBe(20);
});

test('says nothing of aggregates whose source it does not name', () => {
  const half = new Origin({ partitions: 2, sources: [{ partition: 0, high: 20, unsettled: '' }] });
  expect(half.hasSettled({ token: high, sequence: 3 })).toBe(false);
});

test('says nothing at all without sources', () => {
  const none = new Origin({ partitions: 2, sources: [] });
  expect([none.through, none.hasSettled({ token: low, sequence: 1 })]).toEqual([0, false]);
});
