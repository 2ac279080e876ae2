import { expect, test } from '@jest/globals';
import { AggregatePostgresError } from '#postgres/errors.js';
import { failureOf, sqlStateOf } from '#postgres/transaction/failure.js';

test.each([
  ['pg', { code: '40P01' }, '40P01'],
  ['TypeORM', { driverError: { code: '40001' }, code: '40001' }, '40001'],
  ['Prisma', { code: 'P2010', meta: { code: '25P02' } }, '25P02'],
  [
    'Prisma with an adapter',
    { code: 'P2010', meta: { driverAdapterError: { cause: { originalCode: '42P01' } } } },
    '42P01',
  ],
  ['Drizzle', { cause: { code: '42501' } }, '42501'],
  ['a lost connection', { code: 'ECONNRESET' }, undefined],
  ['Prisma without a server', { code: 'P1001' }, undefined],
  ['a text', 'no', undefined],
])('reads the SQLSTATE that %s hands over', (_library, error, state) => {
  expect(sqlStateOf(error)).toBe(state);
});

test('ends at an error that is its own cause', () => {
  const error: Record<string, unknown> = {};
  error['cause'] = error;
  expect(sqlStateOf(error)).toBeUndefined();
});

test.each([
  ['25P02', 'TRANSACTION_ABORTED'],
  ['40P01', 'TRANSACTION_RETRY'],
  ['40001', 'TRANSACTION_RETRY'],
  ['53200', 'OUTBOX_LOCKS_EXHAUSTED'],
  ['42P01', 'SCHEMA_MISSING'],
  ['42501', 'RIGHTS_MISSING'],
  ['22000', 'STATEMENT_FAILED'],
])('SQLSTATE %s becomes %s, with the first error as its cause', (state, code) => {
  const cause = { code: state };
  const failure = failureOf(cause);
  expect(failure).toBeInstanceOf(AggregatePostgresError);
  expect(failure).toMatchObject({ code, cause });
  expect(failure.message).toMatch(/^expected .*, found .*; /);
  expect(failureOf(failure)).toBe(failure);
});
