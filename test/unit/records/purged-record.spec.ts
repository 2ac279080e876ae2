import { expect, test } from '@jest/globals';
import { byPurgedPart, sequencesOf, withPurged } from '#library/records/purged-record.js';

test('sequences are told by the record of their part of the stream', () => {
  expect([...byPurgedPart([1, 65_535, 65_536, 200_000])]).toEqual([
    [0, [1, 65_535]],
    [1, [65_536]],
    [3, [200_000]],
  ]);
});

test('a record takes further sequences, and is not written again for those it has', () => {
  const first = withPurged(undefined, 'then', [7, 3]);
  expect(sequencesOf(first, 'then')).toEqual([3, 7]);
  const second = withPurged(first, 'then', [5, 7]);
  expect(sequencesOf(second, 'then')).toEqual([3, 5, 7]);
  expect(withPurged(second, 'then', [3, 5])).toBeUndefined();
});

test('sequences of a stream that was made again since mean other events', () => {
  const before = withPurged(undefined, 'then', [3]);
  expect(sequencesOf(before, 'now')).toEqual([]);
  expect(sequencesOf(withPurged(before, 'now', [9]), 'now')).toEqual([9]);
});
