import { expect, test } from '@jest/globals';
import { EventHandlers, type EventHandler } from '#library/consumer/handling/event-handlers.js';

function handler(): EventHandler {
  return {
    timeoutMs: 1,
    failurePolicy: {
      retry: { attempts: 1, firstDelayMs: 1, factor: 1, maxDelayMs: 1, jitter: 0 },
      onExhausted: 'block',
    },
    handle: () => undefined,
  };
}

test('a type has one handler; every other type has one more', () => {
  const handlers = new EventHandlers();
  const [placed, other] = [handler(), handler()];
  expect([handlers.add('Placed', placed), handlers.add('Placed', handler())]).toEqual([true, false]);
  expect(handlers.find('Shipped')).toBeUndefined();
  expect([handlers.add(undefined, other), handlers.add(undefined, handler())]).toEqual([true, false]);
  expect(handlers.find('Placed')).toBe(placed);
  expect(handlers.find('Shipped')).toBe(other);
});

test('a type named like a property of every object has no handler', () => {
  const handlers = new EventHandlers();
  for (const type of ['constructor', '__proto__', 'toString']) expect(handlers.find(type)).toBeUndefined();
});
