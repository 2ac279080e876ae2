import { describe, expect, test } from '@jest/globals';
import { Ledger } from '#library/consumer/position/ledger.js';
import { Position } from '#library/consumer/position/position.js';
import { partitionOf } from '#library/message/partitioning.js';
import { decodeSequences, type PositionRecord } from '#library/records/position-record.js';
import { CREATED, deliveryOf, recordOf } from './position-fixture.js';

function fixture(record: PositionRecord = recordOf()) {
  const ledger = new Ledger({ take: () => undefined, give: () => undefined });
  const starts = { deaths: 0, window: 4, starts: {} };
  const ahead = { coming: 0, missed: [] as readonly number[], unread: (): readonly number[] => ahead.missed };
  const position = new Position(ledger, { snapshot: () => starts });
  position.attach(ahead);
  position.begin(record, decodeSequences(record.unsettled));
  const take = (...sequences: number[]) =>
    sequences.map((sequence) => {
      const event = deliveryOf({ sequence });
      ledger.takeIn(event);
      return event;
    });
  return { ledger, position, starts, ahead, take };
}

describe('a position', () => {
  test('writes again what it claimed as long as nothing is settled', () => {
    const { position } = fixture(
      recordOf({ high: 9, highTime: '17', unsettled: '3 2', run: 4, replayUntil: 12 }),
    );
    expect(position.snapshot()).toEqual({
      ...{ created: CREATED, high: 9, highTime: '17', unsettled: '3 2', run: 4, replayUntil: 12 },
      ...{ deaths: 0, window: 4, starts: {} },
    });
    expect([position.created, position.run, position.replayUntil]).toEqual([CREATED, 4, 12]);
  });

  test('counts what was taken in until a record that calls it settled is confirmed', () => {
    const { position, ledger, take } = fixture();
    const [first, second] = take(1, 2, 3);
    ledger.settle(first!);
    expect(position.unconfirmed).toBe(3);
    position.snapshot();
    ledger.settle(second!);
    expect(position.unconfirmed).toBe(3);
    position.noteConfirmed();
    expect(position.unconfirmed).toBe(2);
    position.snapshot();
    position.noteConfirmed();
    expect(position.unconfirmed).toBe(1);
  });

  test('knows its stream and run after the end of a tenure, and calls nothing unconfirmed in the next one', () => {
    const { position, take } = fixture(recordOf({ run: 3 }));
    take(1, 2);
    position.end();
    expect([position.created, position.run]).toEqual([CREATED, 3]);
    position.begin(recordOf({ high: 7 }), []);
    expect(position.unconfirmed).toBe(0);
  });
});

describe('the window of a record', () => {
  test('is what its owner looks through, while no more was taken in', () => {
    const { position, take } = fixture();
    take(1, 2, 3, 4);
    expect(position.snapshot().window).toBe(4);
  });

  test('covers what was taken in, held and asked for under a larger bound', () => {
    const { position, ledger, ahead, take } = fixture();
    const [first] = take(1, 2, 3, 4, 5, 6);
    expect(position.snapshot().window).toBe(6);
    ledger.settle(first!);
    ahead.coming = 3;
    expect(position.snapshot().window).toBe(8);
  });
});

describe('an origin', () => {
  const token = Array.from({ length: 50 }, (_, index) => `k${index}`).find(
    (one) => partitionOf(one, 2) === 0,
  )!;
  const origin = { partitions: 2, sources: [{ partition: 0, high: 20, unsettled: '5' }] };
  const record = recordOf({ high: 3, origin });
  const event = (sequence: number) => deliveryOf({ sequence, token });

  test('settles what a source had settled, besides what the record itself says', () => {
    const { position } = fixture(record);
    expect([2, 4, 5, 20, 21].map((sequence) => position.hasSettled(event(sequence)))).toEqual([
      true,
      true,
      false,
      true,
      false,
    ]);
  });

  test('stays in the record until every source was read to its end', () => {
    const { position, ledger } = fixture(record);
    ledger.pass(event(19));
    expect([position.isOriginDone, position.snapshot().origin]).toEqual([false, origin]);
    ledger.pass(event(20));
    expect(position.isOriginDone).toBe(true);
    expect(position.snapshot()).not.toHaveProperty('origin');
    expect(position.isOriginDone).toBe(false);
  });

  test('ends with a reader that has gone past its last event without delivering it', () => {
    const { position, ledger } = fixture(record);
    ledger.noteReadThrough(400);
    expect(position.isOriginDone).toBe(true);
  });

  test('ends with its tenure', () => {
    const { position } = fixture(record);
    position.end();
    position.begin(recordOf({ high: 3 }), []);
    expect(position.hasSettled(event(4))).toBe(false);
  });
});

test('what an edited reader may have missed is listed as unsettled, in order, and counts for the window', () => {
  const { position, ledger, ahead, take } = fixture();
  const [first, , last] = take(11, 12, 20);
  for (const event of [first, last]) ledger.settle(event!);
  ahead.missed = [10, 12, 15];
  const { unsettled, window } = position.snapshot();
  expect(decodeSequences(unsettled).filter((sequence) => sequence >= 10)).toEqual([10, 12, 15]);
  expect(window).toBeGreaterThanOrEqual(1 + 3);
});
