import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeSequences, encodeSequences } from '#library/records/position-record.js';

/** Ascending sequences, some of them evenly spaced as the events of one aggregate among others are. */
const sequences = fc
  .array(
    fc.record({
      gap: fc.integer({ min: 1, max: 2 ** 30 }),
      step: fc.integer({ min: 1, max: 40 }),
      count: fc.nat(60),
    }),
    { maxLength: 12 },
  )
  .map((runs) => {
    const all: number[] = [];
    let last = 0;
    for (const { gap, step, count } of runs) {
      all.push((last += gap));
      for (let left = count; left > 0; left--) all.push((last += step));
    }
    return all;
  });

test('sequences come back as they were written, with and without runs', () => {
  fc.assert(
    fc.property(sequences, (drawn) => {
      expect(decodeSequences(encodeSequences(drawn))).toEqual(drawn);
    }),
  );
});

test('sequences up to the largest that a number holds come back', () => {
  const drawn = [1, 2 ** 52, Number.MAX_SAFE_INTEGER];
  expect(decodeSequences(encodeSequences(drawn))).toEqual(drawn);
});

test.each([
  ['no sequence', [], ''],
  ['one sequence', [37], '11'],
  ['steps in base 36', [3, 4, 40], '3 1 10'],
  ['equal steps as a run', [3, 4, 5, 9], '3 1*2 4'],
  ['a run that begins with the first step', [5, 10, 15], '5*3'],
  ['a long run, its length in base 36', Array.from({ length: 37 }, (_, index) => 2 * (index + 1)), '2*11'],
])('writes %s', (_what, drawn, text) => {
  expect(encodeSequences(drawn)).toBe(text);
  expect(decodeSequences(text)).toEqual(drawn);
});

test('a hundred thousand unsettled events among others fit into half a message of 1 MiB', () => {
  let last = 1_000_000_000;
  const scattered = Array.from({ length: 100_000 }, (_, index) => (last += 1 + ((index * 7) % 900)));
  expect(encodeSequences(scattered).length).toBeLessThan(512 * 1_024);
});
