import { expect, test } from '@jest/globals';
import { DroppedEvents } from '#library/consumer/reading/dropped-events.js';
import { recordedLog } from '../position/position-fixture.js';

function fixture() {
  const log = recordedLog();
  return { log, dropped: new DroppedEvents('p', log) };
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
