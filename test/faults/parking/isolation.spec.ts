import { beforeAll, expect, test } from '@jest/globals';
import { serverForAll } from '../../support/server.js';
import { hangHotHead, type HotHeadResult } from './hot-head.js';
import { type OutageResult, sitOutOutage } from './outage.js';

// Short variants of `npm run test:faults -- --part parking --case outage|hot`, whose figures are in docs/proof.
// Needs `npm run build`: workers are built code.

const server = serverForAll();
const SEED = 7;
/** The long one asks for 0.9; a machine that runs other tests is no stopwatch. */
const LEAST_SHARE = 0.5;

let outage: OutageResult;
let hot: HotHeadResult;

beforeAll(async () => {
  [outage, hot] = await Promise.all([
    sitOutOutage({
      server: server(),
      topic: 'outage',
      outageMs: 10_000,
      aggregates: 60,
      processes: 1,
      workers: { breaker: { probeEveryMs: 500 } },
      recoversWithinMs: 20_000,
    }),
    hangHotHead({
      server: server(),
      topic: 'hot',
      seed: SEED,
      eventsPerSecond: 500,
      windowMs: 4_000,
      workers: { maxAckPending: 2_000 },
      liveAgainWithinMs: 40_000,
    }),
  ]);
}, 90_000);

test('an outage parks at most 20 aggregates, and everything else comes back by itself', () => {
  expect(outage.failed).toBeGreaterThan(20);
  expect(outage.parked).toBe(20);
  expect(outage.findings).toEqual([]);
});

test('beside an aggregate with 99 % of the load whose handler hangs, the others continue; then it comes back', () => {
  expect(hot.letters).toBeGreaterThan(100);
  expect(hot.without).toBeGreaterThan(10);
  expect(hot.beside / hot.without).toBeGreaterThanOrEqual(LEAST_SHARE);
  expect(hot.findings).toEqual([]);
});
