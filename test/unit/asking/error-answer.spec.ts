import { expect, test } from '@jest/globals';
import { errorAnswerOf, shortTextOf } from '#library/asking/error-answer.js';

test.each([
  ['no stock', 'no stock'],
  ['no stock for {"card":"4111"}', 'no stock for {…}'],
  ['no stock for {"a":{"card":"4111"}} of [1,[2]] at all', 'no stock for {…} of […] at all'],
  ['no stock for {"card":"4111', 'no stock for {…'],
  ['first line\n{"card":"4111"}', 'first line'],
  [`expected "order 1", found "${'4111 '.repeat(20)}"`, 'expected "order 1", found "…"'],
  [`it's ${'x'.repeat(300)}`, `it's ${'x'.repeat(194)}…`],
  ['', ''],
])('%j is told as %j', (text, short) => {
  expect(shortTextOf(text)).toBe(short);
});

test('the name or the code of an error is not said twice', () => {
  const stage = 'handler';
  expect(errorAnswerOf({ stage, error: 'TypeError: x is undefined', name: 'TypeError' })).toEqual({
    ...{ stage, name: 'TypeError', text: 'x is undefined' },
  });
  expect(errorAnswerOf({ stage, error: 'E_A: gone', name: 'Own', code: 'E_A' })).toEqual({
    ...{ stage, name: 'Own', code: 'E_A', text: 'gone' },
  });
  expect(errorAnswerOf({ stage, error: 'RangeError: too far' })).toEqual({
    ...{ stage, name: 'RangeError', text: 'too far' },
  });
  expect(errorAnswerOf({ stage, error: 'thrown text' })).toEqual({
    stage,
    name: 'Error',
    text: 'thrown text',
  });
});
