import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Fence } from '#library/consumer/fence.js';
import { deliveryOf } from './fake-consumer-port.js';

test('with nothing unsettled it is open at once', () => {
  const fence = new Fence(0, 100);
  expect([fence.isOpen, fence.missing, fence.release()]).toEqual([true, 0, []]);
});

test('counts distinct sequences: one that comes twice counts once', () => {
  const fence = new Fence(2, 10);
  fence.hold(deliveryOf({ sequence: 5 }));
  fence.hold(deliveryOf({ sequence: 5 }));
  expect([fence.isOpen, fence.missing]).toEqual([false, 1]);
  fence.hold(deliveryOf({ sequence: 3 }));
  expect([fence.isOpen, fence.missing]).toEqual([true, 0]);
});

test('new events do not open it', () => {
  const fence = new Fence(1, 10);
  for (const sequence of [11, 12, 13]) fence.hold(deliveryOf({ sequence }));
  expect(fence.isOpen).toBe(false);
  fence.hold(deliveryOf({ sequence: 10 }));
  expect(fence.isOpen).toBe(true);
});

test('in whatever order they come, the unsettled leave in stream order, new ones behind them', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 30 }),
      fc.nat(10),
      fc.infiniteStream(fc.nat(2)),
      (again, freshCount, mix) => {
        const fence = new Fence(again.length, 100);
        const fresh = Array.from({ length: freshCount }, (_, n) => 101 + n);
        const old = [...again];
        const left = [...fresh];
        while (old.length > 0 || left.length > 0) {
          const fromFresh = old.length === 0 || (left.length > 0 && mix.next().value === 0);
          fence.hold(deliveryOf({ sequence: (fromFresh ? left : old).shift()! }));
          expect(fence.isOpen).toBe(old.length === 0);
        }
        expect(fence.release().map(({ sequence }) => sequence)).toEqual([
          ...again.toSorted((a, b) => a - b),
          ...fresh,
        ]);
      },
    ),
  );
});
