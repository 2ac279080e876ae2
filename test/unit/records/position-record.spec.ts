import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readPosition, storePosition } from '#library/records/position-record.js';

test('a position comes back as it was stored', () => {
  const sequences = fc.uniqueArray(fc.integer({ min: 1, max: 2 ** 45 }), { maxLength: 300 });
  fc.assert(
    fc.property(sequences, (drawn) => {
      const unsettled = drawn.toSorted((a, b) => a - b);
      const position = { delivered: unsettled.at(-1) ?? 7, unsettled };
      expect(readPosition(JSON.parse(JSON.stringify(storePosition(position))) as never)).toEqual(position);
    }),
  );
});

test('a hundred thousand unsettled events fit into one message', () => {
  const unsettled = Array.from({ length: 100_000 }, (_, index) => 1_000_000_000 + 7 * index);
  expect(JSON.stringify(storePosition({ delivered: 2_000_000_000, unsettled })).length).toBeLessThan(500_000);
});
