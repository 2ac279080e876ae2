import { expect, test } from '@jest/globals';
import type { CheckedEvent } from 'nestjs-aggregate-transport';
import { Lane, type PendingRow } from '#postgres/relay/sending/lane.js';
import { Lanes } from '#postgres/relay/sending/lanes.js';

/** A row that may be stored anywhere above `floor`. */
function rowOf(id: number, floor: number): PendingRow {
  return { id, floor, bytes: 1, event: { token: 'a', eventId: `${id}` } as unknown as CheckedEvent };
}

/** A lane whose first row was looked for above 10, where the look found what is given. */
function lookedUp(stored: number, last: number, isWhole: boolean): Lane {
  const lane = new Lane('a', undefined);
  lane.add(rowOf(1, 10));
  lane.startLooking();
  lane.noteLook(stored, last, isWhole);
  lane.proceed();
  return lane;
}

function sendAll(lane: Lane, last: number): void {
  lane.startSending();
  lane.noteStored(lane.rows.length, last);
  lane.proceed();
}

test('a row of a later page needs no look of its own if the one before it found nothing that is not in memory', () => {
  const lane = lookedUp(0, 0, true);
  for (let id = 2; id < 5; id++) {
    sendAll(lane, 100 * id);
    lane.add(rowOf(id, 10));
    expect(lane.last).toBe(100 * id);
  }
  const found = lookedUp(1, 12, true);
  found.add(rowOf(2, 10));
  expect([found.last, found.mode]).toEqual([12, 'ready']);
});

test('a row of a later page is looked for if the stream holds an event that was not in memory', () => {
  const lane = lookedUp(0, 12, false);
  sendAll(lane, 13);
  lane.add(rowOf(2, 10));
  expect(lane.last).toBeUndefined();
});

test('a row that may stand below what was looked through is looked for', () => {
  const lane = lookedUp(0, 12, true);
  sendAll(lane, 13);
  lane.add(rowOf(2, 9));
  expect(lane.last).toBeUndefined();
});

test('a row that arrives during a send is looked for only if it may stand below what was looked through', () => {
  for (const [floor, last] of [
    [10, 13],
    [9, undefined],
  ] as const) {
    const lane = lookedUp(0, 12, true);
    lane.startSending();
    lane.add(rowOf(2, floor));
    lane.noteStored(1, 13);
    lane.proceed();
    expect(lane.last).toBe(last);
  }
});

test('an aggregate at rest is remembered with what was looked through', () => {
  const lanes = new Lanes({ rows: 10, bytes: 100 });
  lanes.add(rowOf(1, 10), 10);
  const first = lanes.find('a')!;
  first.startLooking();
  first.noteLook(0, 0, true);
  first.proceed();
  sendAll(first, 20);
  lanes.noteChanged(first);
  lanes.add(rowOf(2, 10), 10);
  const second = lanes.find('a')!;
  expect([second === first, second.last]).toEqual([false, 20]);
  expect(lanes.readyToSend.has(second)).toBe(true);
});
