import { expect, test } from '@jest/globals';
import { runHung } from './hung.js';
import { fairClockForAll } from '../../support/fair-clock.js';
import { runNeverSettles } from './never-settles.js';

// Short forms of what `npm run test:faults -- --profile hung|never-settles` does for minutes. A machine that runs
// other tests is no stopwatch, so what is fast and how much is bounded generously here.

const clock = fairClockForAll();
const say = (): void => undefined;

test('while one handler hangs and others continue, leases and connections may be lost: nothing settled comes again', async () => {
  const { findings, takeovers, farBehind, farthest } = await runHung({
    forMs: 10_000,
    eventsPerSecond: 4_000,
    faultEveryMs: 3_300,
    takeoverBoundMs: 3_000,
    leastTakeovers: 3,
    now: clock().now,
    serverVersion: '2.15',
    say,
  });
  expect(findings).toEqual([]);
  // Enough happened, and at least once the hung events were fetched one by one.
  expect(takeovers.length).toBeGreaterThan(2);
  expect(farthest).toBeGreaterThan(20_000);
  expect(farBehind).toBeGreaterThan(0);
}, 60_000);

test('an aggregate that never settles costs the others little', async () => {
  const { findings } = await runNeverSettles({
    forMs: 0,
    backlog: 10_000,
    leastRatio: 0.5,
    serverVersion: '2.15',
    say,
  });
  expect(findings).toEqual([]);
}, 60_000);
