import { expect, test } from '@jest/globals';
import { HandlerTimes } from '#library/consumer/lanes/handler-times.js';
import { seededRandom } from '../../../support/seeded.js';

function counted() {
  const counts = { handled: 0, attempts: 0 };
  const times = new HandlerTimes(() => counts);
  /** An attempt that begins now and takes this long. */
  const attempt = (now: number, ms: number): boolean => {
    const isChosen = times.begins(now);
    if (isChosen) times.ended(ms);
    counts.handled++;
    counts.attempts++;
    return isChosen;
  };
  return { times, attempt };
}

test('one attempt in 5 ms is measured, and every one of a slow partition', () => {
  const { attempt } = counted();
  const fast = Array.from({ length: 1_000 }, (_, n) => attempt(n, 1)).filter(Boolean);
  expect(fast).toHaveLength(200);
  const slow = Array.from({ length: 100 }, (_, n) => attempt(2_000 + 7 * n, 1)).filter(Boolean);
  expect(slow).toHaveLength(100);
});

test('quantiles are within 10 % of the true ones', () => {
  const random = seededRandom('handler-times');
  const { times, attempt } = counted();
  const all: number[] = [];
  for (let n = 0; n < 5_000; n++) {
    const ms = 2 ** (random() * 14 - 3);
    all.push(ms);
    attempt(10 * n, ms);
  }
  all.sort((a, b) => a - b);
  const found = times.view(50_000).times!;
  expect(found.sampled).toBe(5_000);
  expect(found.p50 / all[2_500]!).toBeCloseTo(1, 0);
  expect(Math.abs(found.p50 / all[2_499]! - 1)).toBeLessThan(0.1);
  expect(Math.abs(found.p99 / all[4_949]! - 1)).toBeLessThan(0.1);
  expect(found.longest).toBe(all.at(-1));
});

test.each([0, -1, 1e-9, 1e12, Number.POSITIVE_INFINITY])('a time of %d ms breaks nothing', (ms) => {
  const { times, attempt } = counted();
  attempt(0, ms);
  expect(times.view(0).times?.sampled).toBe(1);
});

test('a minute later nothing is known any more, and the rate is 0', () => {
  const { times, attempt } = counted();
  for (let n = 0; n < 100; n++) attempt(100 * n, 3);
  expect(times.view(10_000)).toMatchObject({ times: { sampled: 100 } });
  expect(times.view(75_000)).toEqual({ times: undefined, eventsPerSecond: 0, attemptsPerSecond: 0 });
});

test('rates are over 10 to 15 s', () => {
  const { times, attempt } = counted();
  attempt(0, 1);
  expect(times.view(500).eventsPerSecond).toBeUndefined();
  for (let n = 1; n <= 3_000; n++) attempt(10 * n, 1);
  expect(times.view(30_000).eventsPerSecond).toBeCloseTo(100, 0);
  // It stands still, and begins again.
  expect(times.view(50_000).eventsPerSecond).toBe(0);
  for (let n = 0; n < 100; n++) attempt(51_000 + 10 * n, 1);
  expect(times.view(52_000).eventsPerSecond).toBeCloseTo(10, 0);
});
