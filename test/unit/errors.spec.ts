import { expect, test } from '@jest/globals';
import {
  AggregateTransportError,
  blockReasonOf,
  BLOCKS_AGGREGATE,
  describeError,
  hasCode,
  stackOf,
} from '#library/errors.js';
import { UnrecoverableError, isUnrecoverable } from '#library/nest/handling/unrecoverable.error.js';
import { hostileErrors } from '../support/hostile.js';

test('describes any error without throwing, also one that cannot be read', () => {
  for (const error of hostileErrors()) {
    expect(typeof describeError(error)).toBe('string');
    expect(['string', 'undefined']).toContain(typeof stackOf(error));
    expect(hasCode(error, 'LEASE_LOST')).toBe(false);
    expect(isUnrecoverable(error)).toBe(false);
    expect(blockReasonOf(error)).toBeUndefined();
    expect(isUnrecoverable(new UnrecoverableError(error))).toBe(true);
  }
});

test('an error that blocks its aggregate may say why, and only in the form that health can show', () => {
  const said = (value: unknown): unknown => blockReasonOf({ [BLOCKS_AGGREGATE]: value });
  const whole = { problem: 'settings-changed', why: 'own 1, stored 2', do: 'reset' };
  expect(said({ ...whole, more: 1 })).toEqual(whole);
  for (const value of [
    true,
    null,
    'settings-changed',
    {},
    { ...whole, problem: 'halted' },
    { ...whole, do: 1 },
  ])
    expect(said(value)).toBeUndefined();
  expect(said({ ...whole, problem: 'newer-version' })).toEqual({ ...whole, problem: 'newer-version' });
});

test('says that an error cannot be read where reading it throws', () => {
  const error = Object.defineProperty(new Error('x'), 'message', {
    get: () => {
      throw new Error('no');
    },
  });
  expect(describeError(error)).toBe('an error that cannot be read: reading it throws');
});

test('describes what can be read as before', () => {
  expect(describeError(new RangeError('far'))).toBe('RangeError: far');
  expect(describeError(new AggregateTransportError('LEASE_LOST', 'gone'))).toBe('LEASE_LOST: gone');
  expect(describeError(Object.create(null))).toBe('an object of class none');
});
