import { expect, test } from '@jest/globals';
import { Ledger } from '#library/consumer/position/ledger.js';
import { deliveryOf } from './fake-consumer-port.js';

const event = (sequence: number, bytes = 10) => deliveryOf({ sequence, body: new Uint8Array(bytes) });

test('an event is new, then in flight, then done', () => {
  const ledger = new Ledger();
  const one = event(1);
  expect(ledger.know(1)).toBe('new');
  ledger.takeIn(one);
  expect(ledger.know(1)).toBe('in flight');
  ledger.handled(one);
  expect(ledger.know(1)).toBe('done');
});

test('counts events and bytes in lanes, and each of them once', () => {
  const ledger = new Ledger();
  const [one, two] = [event(1, 100), event(2, 30)];
  ledger.takeIn(one);
  ledger.takeIn(two);
  expect([ledger.inFlight, ledger.heldBytes]).toEqual([2, 130]);
  ledger.handled(one);
  ledger.handled(one);
  expect([ledger.inFlight, ledger.heldBytes]).toEqual([1, 30]);
  ledger.dropped(two);
  ledger.dropped(two);
  expect([ledger.inFlight, ledger.heldBytes]).toEqual([0, 0]);
});

test('a dropped event is new again: the server still holds it', () => {
  const ledger = new Ledger();
  const one = event(1);
  ledger.takeIn(one);
  ledger.dropped(one);
  expect(ledger.know(1)).toBe('new');
  expect(ledger.highest).toBe(1);
});

test('the highest sequence never goes back', () => {
  const ledger = new Ledger();
  for (const sequence of [5, 3, 9, 7]) ledger.takeIn(event(sequence));
  expect(ledger.highest).toBe(9);
});

test("up to the server's floor everything is settled; the floor never goes back", () => {
  const ledger = new Ledger();
  ledger.settledThrough(10);
  ledger.settledThrough(4);
  expect([10, 7, 1, 11].map((sequence) => ledger.know(sequence))).toEqual(['done', 'done', 'done', 'new']);
});

test('an event that runs here is in flight even if the server calls it settled', () => {
  const ledger = new Ledger();
  ledger.takeIn(event(5));
  ledger.settledThrough(10);
  expect(ledger.know(5)).toBe('in flight');
});

test('unhandled names what is not handled here, ascending, those in flight included', () => {
  const ledger = new Ledger();
  for (const sequence of [2, 3, 5]) {
    const one = event(sequence);
    ledger.takeIn(one);
    ledger.handled(one);
  }
  ledger.takeIn(event(6));
  const asked: number[] = [];
  ledger.unhandled(1, 7, (sequence) => asked.push(sequence));
  expect(asked).toEqual([1, 4, 6, 7]);
});

test('a server that went back below our floor gets all of it asked for again', () => {
  const ledger = new Ledger();
  ledger.settledThrough(5);
  const asked: number[] = [];
  ledger.unhandled(3, 6, (sequence) => asked.push(sequence));
  expect(asked).toEqual([3, 4, 5, 6]);
  expect(ledger.know(3)).toBe('done');
});
