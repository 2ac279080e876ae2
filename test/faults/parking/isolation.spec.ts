import { expect, test } from '@jest/globals';
import { serverForAll } from '../../support/server.js';
import { hangHotHead } from './hot-head.js';
import { sitOutOutage } from './outage.js';

// Short variants of `npm run test:faults -- --part parking --case outage|hot`. Needs `npm run build`: workers are
// built code.

const server = serverForAll();
const SEED = 7;

test('an outage parks at most 20 aggregates, and everything else comes back by itself', async () => {
  const { findings, parked, failed } = await sitOutOutage({
    server: server(),
    topic: 'outage',
    outageMs: 8_000,
    aggregates: 60,
    processes: 1,
    workers: { breaker: { probeEveryMs: 500 } },
    recoversWithinMs: 10_000,
  });
  expect(failed).toBeGreaterThan(20);
  expect(parked).toBe(20);
  expect(findings).toEqual([]);
}, 60_000);

test('beside an aggregate with 99 % of the load whose handler hangs, the others go on; then it comes back', async () => {
  const { findings, without, beside, letters } = await hangHotHead({
    server: server(),
    topic: 'hot',
    seed: SEED,
    eventsPerSecond: 600,
    windowMs: 4_000,
    workers: { maxAckPending: 2_000 },
    liveAgainWithinMs: 30_000,
  });
  expect(letters).toBeGreaterThan(100);
  expect(without).toBeGreaterThan(10);
  expect(beside / without).toBeGreaterThanOrEqual(0.5);
  expect(findings).toEqual([]);
}, 60_000);
