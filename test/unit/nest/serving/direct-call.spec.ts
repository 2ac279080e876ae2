import { expect, test } from '@jest/globals';
import type { AggregateContext } from '#library/nest/handling/aggregate.context.js';
import { UnrecoverableError } from '#library/nest/handling/unrecoverable.error.js';
import { callDirectly } from '#library/nest/serving/direct-call.js';
import type { Source } from '#library/nest/serving/plain-method.js';
import { concat, from, NEVER, of, throwError } from 'rxjs';
import { hostileErrors, NONSENSE } from '../../../support/hostile.js';

const context = { payload: 'payload', aggregateId: 'id' } as AggregateContext;

function call(method: (...args: unknown[]) => unknown, sources: Source[] = []) {
  return callDirectly({ instance: {}, method, sources }, context);
}

test.each([
  { sources: [], expected: [] },
  { sources: ['payload'], expected: ['payload'] },
  { sources: ['payload', 'context'], expected: ['payload', context] },
  { sources: [undefined, 'aggregateId'], expected: [undefined, 'id'] },
  {
    sources: ['context', 'payload', undefined, 'aggregateId'],
    expected: [context, 'payload', undefined, 'id'],
  },
] as { sources: Source[]; expected: unknown[] }[])(
  '$sources become as many arguments',
  ({ sources, expected }) => {
    let given: unknown[] = [];
    expect(call((...args) => void (given = args), sources)).toBeUndefined();
    expect(given).toEqual(expected);
  },
);

test('a handler that gives a value has ended at once', () => {
  for (const value of [undefined, null, 0, 'text', {}, [], () => 1])
    expect(call(() => value)).toBeUndefined();
});

test('a lazy thenable runs once', async () => {
  let runs = 0;
  await call(() => ({ then: (resolve: (value: number) => void) => resolve(++runs) }));
  expect(runs).toBe(1);
});

test('an Observable has ended when it has completed, one in a promise, too', async () => {
  const seen: number[] = [];
  const values = (): unknown => concat(of(1), from(Promise.resolve(2).then((value) => seen.push(value))));
  expect(await call(values)).toBeUndefined();
  expect(await call(() => Promise.resolve(values()))).toBeUndefined();
  expect(seen).toEqual([2, 2]);
  const ended = Promise.resolve(call(() => NEVER)).then(() => 'ended');
  expect(await Promise.race([ended, Promise.resolve('runs')])).toBe('runs');
});

test('every way to fail gives the error as it was thrown, in the handler', async () => {
  const error = new RangeError('no stock');
  const ways: (() => unknown)[] = [
    () => {
      throw error;
    },
    () => Promise.reject(error),
    () => throwError(() => error),
    () => Promise.resolve(throwError(() => error)),
    () => ({ then: (_: unknown, reject: (error: Error) => void) => reject(error) }),
  ];
  for (const way of ways) expect(await call(way)).toEqual({ stage: 'handler', error, unrecoverable: false });
  const failure = await call(() => Promise.reject(new UnrecoverableError(error)));
  expect(failure).toMatchObject({ stage: 'handler', unrecoverable: true });
});

test('no answer and no error of a handler breaks the call', async () => {
  for (const answer of NONSENSE) expect([undefined, 'handler']).toContain((await call(answer))?.stage);
  for (const error of hostileErrors()) {
    expect(await call(() => Promise.reject(error as Error))).toMatchObject({ stage: 'handler' });
    expect([undefined, 'handler']).toContain((await call(() => error))?.stage);
  }
});
