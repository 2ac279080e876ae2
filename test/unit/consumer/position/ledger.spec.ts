import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ByteBudget } from '#library/consumer/byte-budget.js';
import { Ledger } from '#library/consumer/position/ledger.js';
import type { Delivery } from '#library/message/delivery.js';
import { deliveryOf, timeOf } from './position-fixture.js';

function fixture(start: { high?: number; unsettled?: readonly number[] } = {}) {
  const bytes = new ByteBudget(1_000);
  const ledger = new Ledger(bytes);
  const { high = 0, unsettled = [] } = start;
  ledger.begin({ high, highTime: high === 0 ? '' : timeOf(high), unsettled });
  const take = (...sequences: number[]): Delivery[] =>
    sequences.map((sequence) => {
      const event = deliveryOf({ sequence });
      ledger.takeIn(event);
      return event;
    });
  return { ledger, bytes, take };
}

describe('placeholders', () => {
  test('stand in the first snapshot before any of them is read', () => {
    const { ledger } = fixture({ high: 20, unsettled: [3, 7, 19] });
    expect(ledger.snapshot()).toMatchObject({ high: 20, highTime: timeOf(20), unsettled: [3, 7, 19] });
    expect(ledger.placeholders).toBe(3);
  });

  test('let reading begin at the first of them, or after the highest settled event if there are none', () => {
    expect(fixture({ high: 20, unsettled: [3, 7] }).ledger.lastTaken).toBe(2);
    expect(fixture({ high: 20 }).ledger.lastTaken).toBe(20);
    expect(fixture().ledger.lastTaken).toBe(0);
  });

  test('give their place to their event, so that the list stays in stream order', () => {
    const { ledger, take } = fixture({ high: 20, unsettled: [3, 7, 19] });
    const [seven] = take(7);
    expect(ledger.snapshot().unsettled).toEqual([3, 7, 19]);
    take(3);
    take(19);
    expect(ledger.snapshot().unsettled).toEqual([3, 7, 19]);
    ledger.settle(seven!);
    expect(ledger.snapshot().unsettled).toEqual([3, 19]);
    expect(ledger.placeholders).toBe(0);
  });

  test('are found up to a sequence, ascending', () => {
    const { ledger, take } = fixture({ high: 20, unsettled: [3, 7, 19] });
    expect(ledger.placeholdersThrough(2)).toEqual([]);
    expect(ledger.placeholdersThrough(7)).toEqual([3, 7]);
    expect(ledger.hasPlaceholderThrough(2)).toBe(false);
    take(3);
    expect(ledger.placeholdersThrough(18)).toEqual([7]);
    expect(ledger.hasPlaceholderThrough(6)).toBe(false);
    expect(ledger.hasPlaceholderThrough(7)).toBe(true);
  });

  test('count as settled when they are given up, once', () => {
    const { ledger } = fixture({ high: 20, unsettled: [3, 7] });
    ledger.giveUp(3);
    ledger.giveUp(3);
    ledger.giveUp(4);
    expect(ledger.snapshot()).toMatchObject({ high: 20, unsettled: [7], settled: 1 });
    ledger.giveUp(7);
    expect(ledger.snapshot()).toMatchObject({ high: 20, unsettled: [], settled: 2 });
  });

  test('are the only events up to the claimed high that the record does not call settled', () => {
    const { ledger, take } = fixture({ high: 20, unsettled: [3] });
    expect([2, 3, 4, 20, 21].filter((sequence) => ledger.isSettledByClaim(sequence))).toEqual([2, 4, 20]);
    take(3);
    expect(ledger.lastTaken).toBe(3);
  });
});

describe('a snapshot', () => {
  test('names the highest settled event and lists what is unsettled below it', () => {
    const { ledger, take } = fixture();
    const events = take(1, 2, 3, 4, 5);
    ledger.settle(events[3]!);
    expect(ledger.snapshot()).toEqual({ high: 4, highTime: timeOf(4), unsettled: [1, 2, 3], settled: 1 });
    ledger.settle(events[0]!);
    expect(ledger.snapshot()).toMatchObject({ high: 4, unsettled: [2, 3] });
  });

  test('rises to the last event taken in when all is settled, and passed over events count', () => {
    const { ledger, take } = fixture({ high: 5 });
    const [six] = take(6);
    ledger.pass(deliveryOf({ sequence: 8 }));
    expect(ledger.snapshot().high).toBe(5);
    ledger.settle(six!);
    expect(ledger.snapshot()).toMatchObject({ high: 8, highTime: timeOf(8), unsettled: [] });
  });

  test('rises with a quiet reader while all is settled, and not while an event is unsettled', () => {
    const { ledger, take } = fixture({ high: 5 });
    ledger.noteReadThrough(900);
    expect(ledger.idleGap).toBe(895);
    expect(ledger.snapshot()).toMatchObject({ high: 900, highTime: '', unsettled: [] });
    const [next] = take(901);
    ledger.noteReadThrough(2_000);
    expect(ledger.idleGap).toBe(0);
    expect(ledger.snapshot()).toMatchObject({ high: 900, unsettled: [] });
    ledger.settle(next!);
    expect(ledger.snapshot()).toMatchObject({ high: 2_000, unsettled: [] });
  });

  test('says the same as a plain set after any sequence of takes and settles', () => {
    const step = fc.record({
      kind: fc.constantFrom('take', 'pass', 'settle', 'give up'),
      pick: fc.nat(1_000),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 30 }), { maxLength: 12 }),
        fc.array(step, { maxLength: 60 }),
        (drawn, steps) => {
          const unsettled = drawn.toSorted((a, b) => a - b);
          const { ledger, bytes } = fixture({ high: 30, unsettled });
          const open = new Set(unsettled);
          const held: Delivery[] = [];
          let next = unsettled[0] ?? 31;
          let high = 30;
          for (const { kind, pick } of steps) {
            if (kind === 'take' || kind === 'pass') {
              const sequence = next++;
              const event = deliveryOf({ sequence });
              if (ledger.isSettledByClaim(sequence) || (kind === 'pass' && sequence > 30)) ledger.pass(event);
              else {
                ledger.takeIn(event);
                open.add(sequence);
                held.push(event);
              }
            } else if (kind === 'settle' && held.length > 0) {
              const [event] = held.splice(pick % held.length, 1);
              expect(ledger.settle(event!)).toBe(true);
              expect(ledger.settle(event!)).toBe(false);
              open.delete(event!.sequence);
              high = Math.max(high, event!.sequence);
            } else if (kind === 'give up') {
              const [placeholder] = ledger.placeholdersThrough(30);
              if (placeholder === undefined) continue;
              ledger.giveUp(placeholder);
              open.delete(placeholder);
            }
            if (open.size === 0) high = Math.max(high, ledger.lastTaken);
            const said = ledger.snapshot();
            expect(said.high).toBe(high);
            expect(said.unsettled).toEqual([...open].filter((one) => one <= high).sort((a, b) => a - b));
            expect(ledger.held).toBe(held.length);
            expect(bytes.held).toBe(10 * held.length);
          }
        },
      ),
    );
  });
});

describe('a tenure', () => {
  test('holds its own events, and no event of an earlier or later one', () => {
    const { ledger, take } = fixture();
    const [event] = take(1);
    expect(ledger.holds(event!)).toBe(true);
    ledger.end();
    expect(ledger.holds(event!)).toBe(false);
    expect(ledger.settle(event!)).toBe(false);
    ledger.begin({ high: 0, highTime: '', unsettled: [] });
    expect(ledger.holds(event!)).toBe(false);
    const again = deliveryOf({ sequence: 1 });
    ledger.takeIn(again);
    expect(ledger.settle(event!)).toBe(false);
    expect(ledger.snapshot()).toMatchObject({ high: 0, unsettled: [] });
    expect(ledger.settle(again)).toBe(true);
  });

  test('gives all its bytes back when it ends, also with events still in lanes', () => {
    const { ledger, bytes, take } = fixture();
    const [first] = take(1, 2, 3);
    ledger.settle(first!);
    expect(bytes.held).toBe(20);
    ledger.begin({ high: 1, highTime: '', unsettled: [] });
    expect([bytes.held, ledger.heldBytes, ledger.held]).toEqual([0, 0, 0]);
    ledger.end();
    expect(bytes.held).toBe(0);
  });

  test('leaves an event that still runs after its end without a link to any other event', () => {
    const { ledger, take } = fixture({ high: 9, unsettled: [2] });
    const [, running] = take(2, 10, 11);
    ledger.end();
    expect(running!.previousUnsettled).toBeUndefined();
    expect(running!.nextUnsettled).toBeUndefined();
  });

  test('remembers the time of the last event taken in', () => {
    const { ledger, take } = fixture({ high: 20 });
    expect(ledger.lastTakenTime).toBe(timeOf(20));
    take(23);
    expect([ledger.lastTaken, ledger.lastTakenTime]).toEqual([23, timeOf(23)]);
    const listed = fixture({ high: 20, unsettled: [5] }).ledger;
    expect([listed.lastTaken, listed.lastTakenTime]).toEqual([4, '']);
  });

  test('continues after the claimed high when the listed events were fetched one by one', () => {
    const { ledger, take } = fixture({ high: 20, unsettled: [3, 7] });
    take(3, 7);
    ledger.skipTo(20);
    expect([ledger.lastTaken, ledger.readThrough]).toEqual([20, 20]);
    ledger.skipTo(10);
    expect(ledger.lastTaken).toBe(20);
    expect(ledger.snapshot()).toMatchObject({ high: 20, highTime: timeOf(20), unsettled: [3, 7] });
  });
});
