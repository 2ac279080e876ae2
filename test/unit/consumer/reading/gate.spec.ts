import { expect, test } from '@jest/globals';
import { Gate } from '#library/consumer/reading/gate.js';

test('admits deliveries whose numbers follow one another, from 1', () => {
  const gate = new Gate();
  expect([1, 2, 3].map((number) => gate.admits(number))).toEqual([true, true, true]);
  expect(gate.expected).toBe(4);
});

test.each([[1], [3], [5], [0]])(
  'refuses number %i after 2 if it is not 3, and still waits for 3',
  (number) => {
    const gate = new Gate();
    gate.expectAfter(2);
    expect(gate.admits(number)).toBe(number === 3);
    expect(gate.expected).toBe(number === 3 ? 4 : 3);
  },
);

test('starts over behind a takeover', () => {
  const gate = new Gate();
  gate.admits(1);
  gate.expectAfter(100);
  expect([gate.admits(2), gate.admits(101)]).toEqual([false, true]);
});

test('agrees with a heartbeat only if both count the same', () => {
  const gate = new Gate();
  expect([gate.agreesWith(0), gate.agreesWith(1)]).toEqual([true, false]);
  gate.admits(1);
  expect([gate.agreesWith(0), gate.agreesWith(1), gate.agreesWith(2), gate.agreesWith(Number.NaN)]).toEqual([
    false,
    true,
    false,
    false,
  ]);
});
