import { expect, test } from '@jest/globals';
import { OrderWitness } from '../../../bench/order-witness.js';

function witnessed(
  ...steps: readonly (readonly ['begin' | 'end', string, number] | readonly ['failed', string])[]
) {
  const witness = new OrderWitness();
  for (const step of steps) {
    if (step[0] === 'failed') witness.failed(step[1]);
    else witness[step[0]](step[1], step[2]);
  }
  return { violations: witness.violations, repeats: witness.repeats };
}

test('order, one at a time, is no violation', () => {
  expect(
    witnessed(['begin', 'a', 1], ['begin', 'b', 1], ['end', 'b', 1], ['end', 'a', 1], ['begin', 'a', 2]),
  ).toEqual({ violations: 0, repeats: 0 });
});

test('a gap, an old event and two at once are violations', () => {
  expect(witnessed(['begin', 'a', 2]).violations).toBe(1);
  expect(
    witnessed(['begin', 'a', 1], ['end', 'a', 1], ['begin', 'a', 2], ['end', 'a', 2], ['begin', 'a', 1])
      .violations,
  ).toBe(1);
  expect(witnessed(['begin', 'a', 1], ['begin', 'a', 2]).violations).toBe(1);
});

test('a failed event must come again before the next one; a repeat of the last one is counted apart', () => {
  expect(witnessed(['begin', 'a', 1], ['failed', 'a'], ['begin', 'a', 1]).violations).toBe(0);
  expect(witnessed(['begin', 'a', 1], ['failed', 'a'], ['begin', 'a', 2]).violations).toBe(1);
  expect(witnessed(['begin', 'a', 1], ['end', 'a', 1], ['begin', 'a', 1])).toEqual({
    violations: 0,
    repeats: 1,
  });
});
