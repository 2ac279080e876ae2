import { describe, expect, test } from '@jest/globals';
import { AggregateHandler } from '#library/nest/handling/aggregate-handler.decorator.js';
import { errorOf } from '../../message/code-of.js';

describe("a handler's type", () => {
  test.each([[[]], [''], [' '], [5], [null], [{}], [['A', '']], [['A', 5]], [[['A']]]])(
    'is a text or a list of texts, none blank, not %p: it would match no event',
    (type) => {
      const error = errorOf(() => AggregateHandler('orders', { type: type as never }));
      expect(error.code).toBe('OPTIONS_INVALID');
      expect(error.message).toMatch(
        /^expected option @AggregateHandler\("orders"\)\.type to be a text .+, found .+; /,
      );
    },
  );

  test.each([['A'], [['A']], [['A', 'B c']], [undefined]])('may be %p', (type) => {
    expect(AggregateHandler('orders', { type: type as never })).toBeInstanceOf(Function);
  });
});
