import { describe, expect, test } from '@jest/globals';
import { describeError, AggregateTransportError } from '#library/errors.js';
import { defineTopic } from '#library/message/shapes/define-topic.js';
import { checkName, topicNameOf } from '#library/message/topic.js';
import { codeOf, errorOf } from './code-of.js';

describe('names of topics and groups', () => {
  test.each([['a'], ['orders'], ['Order_Events-2'], ['x'.repeat(64)], ['-'], ['0']])('may be %s', (name) => {
    expect(topicNameOf(defineTopic(name), 'a test')).toBe(name);
    checkName('group', name);
  });

  test.each<[unknown]>([
    [''],
    ['x'.repeat(65)],
    ['a.b'],
    ['a b'],
    ['*'],
    ['>'],
    ['größe'],
    ['a\n'],
    ['$JS'],
    ['~a'],
    ['a/b'],
    [undefined],
    [null],
    [5],
  ])('may not be %p: OPTIONS_INVALID', (name) => {
    expect(codeOf(() => defineTopic(name as string))).toBe('OPTIONS_INVALID');
    expect(codeOf(() => checkName('group', name as string))).toBe('OPTIONS_INVALID');
  });

  test('an error says which of the two it is', () => {
    expect(errorOf(() => checkName('group', 'a.b')).message).toContain('group name');
  });
});

test('a topic is its name and nothing else, and cannot be changed', () => {
  const orders = defineTopic('orders');
  expect(orders).toEqual({ name: 'orders' });
  expect(Object.isFrozen(orders)).toBe(true);
  expect(topicNameOf('bare', 'a test')).toBe('bare');
});

test('an error is described by code or name, for any value that is thrown', () => {
  expect(describeError(new AggregateTransportError('ABORTED', 'x'))).toBe('ABORTED: x');
  expect(describeError(new TypeError('y'))).toBe('TypeError: y');
  expect(['text', undefined, null, 5].map(describeError)).toEqual(['text', 'undefined', 'null', '5']);
  // What stands for an error in Nest, what an HttpException answers, and what says nothing.
  expect(describeError({ status: 'error', message: 'Forbidden resource' })).toBe('Forbidden resource');
  const http = Object.assign(new Error('Bad Request'), { getResponse: () => ({ message: ['a', 'b'] }) });
  expect(describeError(http)).toBe('Error: a; b');
  expect([{ code: 7, payload: 'secret' }, new Map(), Object.create(null)].map(describeError)).toEqual([
    'an object of class Object',
    'an object of class Map',
    'an object of class none',
  ]);
});
