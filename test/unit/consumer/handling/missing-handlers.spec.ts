import { expect, test } from '@jest/globals';
import type { Log } from '#library/log.js';
import type { OnUnhandledType } from '#library/consumer/handling/event-handlers.js';
import { MissingHandlers } from '#library/consumer/handling/missing-handlers.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { recordedLog } from './deliveries.js';

function missingOf(onUnhandledType: OnUnhandledType, log: Log) {
  const clock = new ManualClock(1_000);
  /** Types that other replicas handle. */
  const elsewhere = new Set<string>();
  const others = { handlesElsewhere: (type: string) => elsewhere.has(type) };
  return {
    clock,
    elsewhere,
    missing: new MissingHandlers({ name: 'p', onUnhandledType, others, clock, log }),
  };
}

test('passes over events of a type without a handler, and logs each type once', () => {
  const log = recordedLog();
  const missing = missingOf('ignore', log).missing;
  expect(['A', 'A', 'B'].map((type) => missing.judge(type))).toEqual([undefined, undefined, undefined]);
  expect(log.lines).toHaveLength(2);
});

test('logs at most a thousand types', () => {
  const log = recordedLog();
  const missing = missingOf('ignore', log).missing;
  for (let n = 0; n < 1_200; n++) missing.judge(`type ${n}`);
  expect(log.lines).toHaveLength(1_000);
});

test.each([['park' as const], ['block' as const]])(
  'fails them with a reason that no retry helps if the policy is %s',
  (policy) => {
    const log = recordedLog();
    const failure = missingOf(policy, log).missing.judge('Shipped');
    expect(failure).toMatchObject({
      stage: 'route',
      unrecoverable: true,
      error: { code: 'HANDLER_MISSING' },
    });
    expect(log.lines).toEqual([]);
  },
);

test('an event waits while another replica handles its type, and the wait is told of by type', async () => {
  const log = recordedLog();
  const { clock, elsewhere, missing } = missingOf('ignore', log);
  elsewhere.add('Paid');
  const again = missing.waitMs('Paid')!;
  for (let n = 0; n < 10; n++) {
    await clock.advance(again);
    expect(missing.waitMs('Paid')).toBe(again);
  }
  expect(missing.longestWait).toEqual({ type: 'Paid', forMs: 10 * again });
  expect(missing.waitMs('Placed')).toBeUndefined();
  expect(log.lines).toHaveLength(1);
  elsewhere.clear();
  expect(missing.waitMs('Paid')).toBeUndefined();
  expect(missing.longestWait).toBeUndefined();
});

test('a wait that ended elsewhere is forgotten', async () => {
  const { clock, elsewhere, missing } = missingOf('ignore', recordedLog());
  elsewhere.add('Paid');
  const again = missing.waitMs('Paid')!;
  await clock.advance(3 * again);
  expect(missing.longestWait).toBeUndefined();
});
