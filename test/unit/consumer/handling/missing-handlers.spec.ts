import { expect, test } from '@jest/globals';
import { MissingHandlers } from '#library/consumer/handling/missing-handlers.js';
import { recordedLog } from './deliveries.js';

test('passes over events of a type without a handler, and logs each type once', () => {
  const log = recordedLog();
  const missing = new MissingHandlers('p', 'ignore', log);
  expect(['A', 'A', 'B'].map((type) => missing.judge(type))).toEqual([undefined, undefined, undefined]);
  expect(log.lines).toHaveLength(2);
});

test('logs at most a thousand types', () => {
  const log = recordedLog();
  const missing = new MissingHandlers('p', 'ignore', log);
  for (let n = 0; n < 1_200; n++) missing.judge(`type ${n}`);
  expect(log.lines).toHaveLength(1_000);
});

test.each([['park' as const], ['block' as const]])(
  'fails them with a reason that no retry helps if the policy is %s',
  (policy) => {
    const log = recordedLog();
    const failure = new MissingHandlers('p', policy, log).judge('Shipped');
    expect(failure).toMatchObject({
      stage: 'route',
      unrecoverable: true,
      error: { code: 'HANDLER_MISSING' },
    });
    expect(log.lines).toEqual([]);
  },
);
