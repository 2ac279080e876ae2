import { expect, test } from '@jest/globals';
import { aggregateExceptionFactory } from '#library/nest/handling/aggregate-exception-factory.js';

test('names fields and rules, to any depth, and no value', () => {
  const error = aggregateExceptionFactory([
    { property: 'name', value: 'secret', constraints: { isString: 'name must be a string' } },
    {
      property: 'items',
      value: ['secret'],
      children: [
        { property: '0', children: [{ property: 'cents', constraints: { min: 'too low', max: 'odd' } }] },
      ],
    },
  ]);
  expect(error.cause).toMatchObject({ code: 'PAYLOAD_INVALID' });
  expect(error.message).toMatch(/name must be a string; items\.0\.cents: too low; items\.0\.cents: odd;/);
  expect(error.message).not.toContain('secret');
  // Nest passes on only an RpcException whose getError() is itself.
  expect(error.getError()).toBe(error);
});

test('names at most twenty', () => {
  const faults = Array.from({ length: 23 }, (_, n) => ({
    property: `f${n}`,
    constraints: { x: `f${n} is odd` },
  }));
  expect(aggregateExceptionFactory(faults).message).toMatch(/f19 is odd; and 3 more;/);
});
