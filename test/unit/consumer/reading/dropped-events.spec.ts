import { expect, test } from '@jest/globals';
import { DroppedEvents } from '#library/consumer/reading/dropped-events.js';
import type { StreamLoss } from '#library/consumer/reading/dropped-events.js';
import { recordedLog } from '../position/position-fixture.js';

function fixture(readsAll = true) {
  const log = recordedLog();
  return { log, dropped: new DroppedEvents('p', log, readsAll) };
}

function loss(holes: number[], more: Partial<StreamLoss> = {}): StreamLoss {
  return { firstSequence: 1, holes, unlisted: 0, wasBehind: false, ...more };
}

test('counts a gap between what was read and where the stream continues, and reports it', () => {
  const { dropped, log } = fixture();
  dropped.noteGap(10, 15);
  expect(dropped.lost).toBe(4);
  expect(log.lines).toEqual([
    expect.stringMatching(/^error p: .*up to sequence 14; those after 10 were never handled/),
  ]);
});

test.each([
  [10, 11],
  [10, 10],
  [10, 3],
])('counts nothing if %i was read and the stream continues at %i', (readThrough, next) => {
  const { dropped, log } = fixture();
  dropped.noteGap(readThrough, next);
  expect([dropped.lost, log.lines]).toEqual([0, []]);
});

test('counts a gap once, however often and by how many it is found', () => {
  const { dropped, log } = fixture();
  dropped.noteGap(10, 15);
  dropped.noteGap(10, 15);
  dropped.noteGap(12, 17);
  expect([dropped.lost, log.lines.length]).toEqual([6, 2]);
});

test('counts the gaps of a stream that was made again from its first sequence', () => {
  const { dropped } = fixture();
  dropped.noteGap(10, 15);
  dropped.forget();
  dropped.noteGap(0, 3);
  expect(dropped.lost).toBe(6);
});

test('counts and reports each unsettled event that is gone', () => {
  const { dropped, log } = fixture();
  dropped.noteGone(7);
  expect(dropped.lost).toBe(1);
  expect(log.lines).toEqual(['error p: the stream has dropped event 7 before it was handled']);
});

test('with one partition a hole is counted once, whether a look or the reader finds it first', () => {
  const { dropped, log } = fixture();
  dropped.begin(10);
  dropped.noteLoss(loss([4, 12, 13, 20]), 10);
  expect(dropped.lost).toBe(3);
  expect(log.lines).toEqual([expect.stringMatching(/between sequences 12 and 20 .*: 3 of this partition/)]);
  dropped.noteGap(11, 14);
  dropped.noteLoss(loss([4, 12, 13, 20]), 14);
  expect([dropped.lost, log.lines.length]).toEqual([3, 1]);
  // Removed after the look: the reader finds 16, and knows of 20.
  dropped.noteGap(15, 17);
  dropped.noteGap(19, 21);
  dropped.noteLoss(loss([4, 12, 13, 16, 20], { wasBehind: true }), 21);
  expect(dropped.lost).toBe(4);
});

test('with several partitions the reader says nothing of holes, so looks count those passed since the last one, at most', () => {
  const { dropped, log } = fixture(false);
  dropped.begin(10);
  dropped.noteLoss(loss([]), 12);
  dropped.noteLoss(loss([11, 15], { wasBehind: true }), 20);
  expect(dropped.lost).toBe(1);
  expect(log.lines).toEqual([expect.stringMatching(/between sequences 15 and 15 .*: up to 1 of this/)]);
  dropped.noteLoss(loss([11, 15], { wasBehind: true }), 30);
  expect(dropped.lost).toBe(1);
});

test('a partition that is up to date counts a hole only if it was not read yet', () => {
  const { dropped } = fixture(false);
  dropped.begin(10);
  dropped.noteLoss(loss([]), 12);
  dropped.noteLoss(loss([15]), 20);
  expect(dropped.lost).toBe(0);
  dropped.noteLoss(loss([15, 22]), 20);
  expect(dropped.lost).toBe(1);
});

test('the first look of a tenure counts what went while no owner read', () => {
  const { dropped } = fixture(false);
  dropped.begin(10);
  dropped.noteLoss(loss([8, 12]), 20);
  expect(dropped.lost).toBe(1);
  dropped.begin(20);
  dropped.noteLoss(loss([8, 12]), 20);
  expect(dropped.lost).toBe(1);
});

test('holes that could not be listed count for a partition that was behind', () => {
  const { dropped, log } = fixture(false);
  dropped.begin(10);
  dropped.noteLoss(loss([], { unlisted: 300_000 }), 12);
  expect(dropped.lost).toBe(0);
  dropped.noteLoss(loss([], { unlisted: 300_000, wasBehind: true }), 12);
  expect(dropped.lost).toBe(300_000);
  expect(log.lines).toEqual([
    expect.stringMatching(/has dropped events before they were read: up to 300000/),
  ]);
});

test('does not count what an operator has purged, and counts the rest of a gap once that is known', async () => {
  const log = recordedLog();
  const asked: [number, number][] = [];
  const dropped = new DroppedEvents('p', log, true, (after, before) => {
    asked.push([after, before]);
    return Promise.resolve(after === 10 ? 4 : 1);
  });
  dropped.noteGap(10, 15);
  dropped.noteGap(14, 18);
  dropped.noteGone(7);
  await Promise.resolve();
  expect(asked).toEqual([
    [10, 15],
    [14, 18],
    [6, 8],
  ]);
  expect([dropped.lost, log.lines.length]).toEqual([2, 1]);
});

test('counts a gap as lost if it cannot be told what was purged', async () => {
  const { log } = fixture();
  const dropped = new DroppedEvents('p', log, true, () => Promise.reject(new Error('away')));
  dropped.noteGap(10, 15);
  await new Promise((resolve) => setImmediate(resolve));
  expect(dropped.lost).toBe(4);
});
