import 'reflect-metadata';
import { expect, test } from '@jest/globals';
import { ErrorWitness } from '#library/nest/handling/error-witness.js';

/** Asks as Nest does: is this error for the filter? */
function asker(witness: ErrorWitness): (error: unknown) => boolean {
  const filter = witness.filter;
  const classes = Reflect.getMetadata(
    '__filterCatchExceptions__',
    filter.constructor,
  ) as (new () => unknown)[];
  return (error) => classes.some((one) => error instanceof one);
}

test('claims no error, and tells the one error that came since the mark', () => {
  const witness = new ErrorWitness();
  const isClaimed = asker(witness);
  expect(isClaimed(new Error('earlier'))).toBe(false);
  const mark = witness.seen;
  expect(witness.errorSince(mark)).toBeUndefined();
  const error = new RangeError('mine');
  expect(isClaimed(error)).toBe(false);
  expect(witness.errorSince(mark)).toEqual({ error });
  expect(witness.errorSince(mark)!.error).toBe(error);
});

test('tells several errors since the mark if they say the same, else none', () => {
  const witness = new ErrorWitness();
  const isClaimed = asker(witness);
  isClaimed(new Error('same'));
  isClaimed(new Error('same'));
  expect(witness.errorSince(0)).toEqual({ error: new Error('same') });
  isClaimed(new Error('other'));
  expect(witness.errorSince(0)).toBeUndefined();
  expect(witness.errorSince(2)).toEqual({ error: new Error('other') });
});

test('keeps few errors, and tells nothing of an attempt that saw more', () => {
  const witness = new ErrorWitness();
  const isClaimed = asker(witness);
  for (let n = 0; n < 17; n++) isClaimed('same');
  expect(witness.errorSince(1)).toEqual({ error: 'same' });
  expect(witness.errorSince(0)).toBeUndefined();
});
