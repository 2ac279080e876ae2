import { expect, test } from '@jest/globals';
import { areMixed, describeHandled, TypesElsewhere } from '#library/consumer/ownership/handled-types.js';

const handles = (...types: string[]) => ({ types, others: false });
const everything = { types: [], others: true };

test('a type is handled elsewhere while a replica that names it lives, and for a minute after', () => {
  const elsewhere = new TypesElsewhere();
  elsewhere.note('b', handles('Paid'));
  expect(elsewhere.has('Paid', 0)).toBe(true);
  expect(elsewhere.has('Placed', 0)).toBe(false);
  elsewhere.noteGone('b', 1_000);
  elsewhere.noteGone('b', 50_000);
  expect(elsewhere.has('Paid', 60_999)).toBe(true);
  expect(elsewhere.has('Paid', 61_000)).toBe(false);
  elsewhere.note('b', handles('Paid'));
  expect(elsewhere.has('Paid', 70_000)).toBe(true);
});

test('a replica with a handler for every other type handles all', () => {
  const elsewhere = new TypesElsewhere();
  elsewhere.note('b', everything);
  expect(elsewhere.has('Paid', 0)).toBe(true);
});

test.each([
  ['the same', handles('A', 'B'), handles('B', 'A'), false],
  ['a rolling deploy that adds one', handles('A'), handles('A', 'B'), false],
  ['two services', handles('A'), handles('B'), true],
  ['two services with one in common', handles('A', 'C'), handles('B', 'C'), true],
  ['a catch-all beside a part', everything, handles('A'), false],
  ['two catch-alls', everything, { types: ['A'], others: true }, false],
])('%s', (_name, one, other, mixed) => {
  expect(areMixed(one, other)).toBe(mixed);
  expect(areMixed(other, one)).toBe(mixed);
});

test('a list says all there is', () => {
  expect(describeHandled({ types: ['A', 'B'], others: true })).toBe('A, B, every other type');
  expect(describeHandled(handles())).toBe('none');
});
