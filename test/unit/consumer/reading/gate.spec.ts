import { expect, test } from '@jest/globals';
import { Gate } from '#library/consumer/reading/gate.js';

function after(delivered: number): Gate {
  const gate = new Gate();
  for (let count = 0; count < delivered; count++) gate.advance();
  return gate;
}

test('admits deliveries whose numbers follow one another, from 1', () => {
  const gate = new Gate();
  for (const number of [1, 2, 3]) {
    expect(gate.admits(number)).toBe(true);
    gate.advance();
  }
  expect(gate.expected).toBe(4);
});

test.each([0, 1, 2, 4, Number.NaN])('does not admit number %p after 2, and waits for 3', (number) => {
  const gate = after(2);
  expect(gate.admits(number)).toBe(false);
  expect(gate.expected).toBe(3);
});

test('answers the same however often it is asked', () => {
  const gate = after(2);
  expect([gate.admits(3), gate.admits(3), gate.admits(4)]).toEqual([true, true, false]);
});

test('starts over with another reader', () => {
  const gate = after(100);
  gate.expectAfter(0);
  expect([gate.admits(101), gate.admits(1)]).toEqual([false, true]);
});

test.each([
  [0, false],
  [1, true],
  [2, false],
  [Number.NaN, false],
])('agrees after one delivery with a heartbeat that counts %p: %p', (counted, agrees) => {
  expect(after(1).agreesWith(counted)).toBe(agrees);
});
