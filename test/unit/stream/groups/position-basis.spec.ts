import { expect, test } from '@jest/globals';
import { firstGroupRecord } from '#library/records/group-record.js';
import type { PositionRecord } from '#library/records/position-record.js';
import { basisOf } from '#library/stream/groups/position-basis.js';

const STREAM = { created: 'first', isRestored: false };
const GROUP = { ...firstGroupRecord(4, { sequence: 10, created: 'first' }), run: 2 };
const POSITION = { epoch: 7, run: 3, created: 'first', high: 50, unsettled: '14 1' } as PositionRecord;

test('a position stands for itself', () => {
  expect(basisOf(POSITION, GROUP, STREAM)).toEqual({ high: 50, epoch: 7, run: 3, unsettled: [40, 41] });
});

test('a position of another stream begins again, one run later', () => {
  const found = basisOf({ ...POSITION, created: 'before' }, GROUP, STREAM);
  expect(found).toEqual({ high: 0, epoch: 7, run: 4, unsettled: [] });
});

test('a position stands for itself in a stream that was restored from a backup under a new time of creation', () => {
  const restored = { created: 'second', isRestored: true };
  expect(basisOf(POSITION, GROUP, restored)).toEqual({ high: 50, epoch: 7, run: 3, unsettled: [40, 41] });
});

test('without a position the start of the group counts', () => {
  expect(basisOf(undefined, GROUP, STREAM)).toEqual({ high: 10, epoch: 0, run: 2, unsettled: [] });
});

test('a start in another stream counts as its beginning, one run later', () => {
  expect(basisOf(undefined, GROUP, { created: 'second', isRestored: false })).toEqual({
    high: 0,
    epoch: 0,
    run: 3,
    unsettled: [],
  });
});

test('a group without a record has handled nothing', () => {
  expect(basisOf(undefined, undefined, STREAM)).toEqual({ high: 0, epoch: 0, run: 0, unsettled: [] });
});
