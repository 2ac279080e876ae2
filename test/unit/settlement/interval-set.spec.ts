import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { IntervalSet } from '#library/settlement/interval-set.js';

const MAX = 40;
const action = fc.oneof(
  { weight: 10, arbitrary: fc.record({ add: fc.nat(MAX) }) },
  { weight: 2, arbitrary: fc.record({ dropThrough: fc.nat(MAX) }) },
  { weight: 1, arbitrary: fc.constant({ clear: true } as const) },
);

test('is a set: whatever is added and dropped, it holds what a plain set holds', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), fc.nat(MAX), fc.nat(MAX), (actions, first, last) => {
      const set = new IntervalSet();
      const model = new Set<number>();
      for (const step of actions) {
        if ('add' in step) {
          set.add(step.add);
          model.add(step.add);
        } else if ('dropThrough' in step) {
          set.dropThrough(step.dropThrough);
          for (const value of model) if (value <= step.dropThrough) model.delete(value);
        } else {
          set.clear();
          model.clear();
        }
        for (let value = -1; value <= MAX + 1; value++)
          expect([value, set.has(value)]).toEqual([value, model.has(value)]);
        const runs = [...model].filter((value) => !model.has(value - 1)).length;
        expect(set.intervalCount).toBe(runs);
      }
      const missing: number[] = [];
      set.missing(first, last, (value) => missing.push(value));
      const expected = Array.from({ length: Math.max(0, last - first + 1) }, (_, n) => first + n);
      expect(missing).toEqual(expected.filter((value) => !model.has(value)));
    }),
  );
});

test('a long run costs one interval, in whatever order its numbers come', () => {
  fc.assert(
    fc.property(
      fc.shuffledSubarray(
        Array.from({ length: 200 }, (_, n) => n + 1),
        { minLength: 200 },
      ),
      (numbers) => {
        const set = new IntervalSet();
        for (const number of numbers) set.add(number);
        expect(set.intervalCount).toBe(1);
      },
    ),
    { numRuns: 20 },
  );
});
