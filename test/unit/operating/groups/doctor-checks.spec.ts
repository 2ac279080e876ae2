import { expect, test } from '@jest/globals';
import { checkGroup, checkMissing } from '#library/operating/doctor/checks.js';

test('a stream that is missing is lost if a group has run, and else made by the first start', () => {
  const level = (provision: string, hasRun: boolean): string =>
    checkMissing('orders', 'orders_positions', { provision, hasRun }).level;
  expect([level('ensure', true), level('ensure', false), level('verify', false)]).toEqual([
    'fail',
    'ok',
    'fail',
  ]);
});

test('a group without a record is lost, or has not started', () => {
  const of = { group: 'billing', partitions: undefined, trace: undefined, isNamed: true };
  expect(checkGroup('orders', { ...of, trace: 'a position' })).toMatchObject({
    level: 'fail',
    todo: expect.stringContaining('group reset orders billing --to start'),
  });
  expect(checkGroup('orders', of).level).toBe('warn');
  expect(checkGroup('orders', { ...of, isNamed: false }).level).toBe('ok');
  expect(checkGroup('orders', { ...of, partitions: 0 }).found).toContain('deleted');
});
