import { describe, expect, test } from '@jest/globals';
import { ATTEMPTS, fateOf, releaseName, waitScaleOf } from '#library/verifying/event-fate.js';
import { FAULT_DURATIONS, FAULT_KINDS, kindsOn, LEASE_TTL_MS } from '#library/verifying/fault-kinds.js';
import { planFault } from '#library/verifying/harness/fault-plan.js';
import { aggregateIds, sizeBoundOf } from '#library/verifying/settings.js';

const deck = { partitions: 4, kinds: FAULT_KINDS, durations: FAULT_DURATIONS };
const planOf = (seed: number, ticks: number) =>
  Array.from({ length: ticks }, (_, tick) => planFault(seed, tick, deck));

describe('the plan of faults', () => {
  test('is the same for the same seed, and another for another', () => {
    expect(planOf(7, 20)).toEqual(planOf(7, 20));
    expect(planOf(7, 20)).not.toEqual(planOf(8, 20));
  });

  test('has each kind before any comes again', () => {
    const kinds = planOf(3, FAULT_KINDS.length).map(({ kind }) => kind);
    expect(new Set(kinds)).toEqual(new Set(FAULT_KINDS));
  });

  test('aims at owners mostly, and at partitions that there are', () => {
    const plan = planOf(5, 400);
    expect(plan.filter(({ role }) => role === 'owner').length).toBeGreaterThan(200);
    expect(new Set(plan.map(({ partition }) => partition))).toEqual(new Set([0, 1, 2, 3]));
  });

  test('freezes and stalls for longer than a lease', () => {
    for (const { kind, ms } of planOf(11, 200))
      if (kind === 'freeze' || kind === 'stall') expect(ms).toBeGreaterThan(LEASE_TTL_MS);
  });

  test('says what Windows cannot do', () => {
    expect(kindsOn('linux').skipped).toEqual([]);
    expect(kindsOn('win32')).toMatchObject({ skipped: ['freeze'] });
    expect(kindsOn('win32').kinds).not.toContain('freeze');
  });
});

describe('the fate of an event', () => {
  const fates = (seed: number) =>
    aggregateIds(20).flatMap((id) =>
      Array.from({ length: 100 }, (_, n) => fateOf({ seed, waitScale: 1 }, id, n + 1)),
    );

  test('is the same in every process and every repeat', () => {
    expect(fates(7)).toEqual(fates(7));
    expect(fates(7)).not.toEqual(fates(8));
  });

  test('has failures that its attempts allow, and some that park', () => {
    expect(Math.max(...fates(7).map(({ failures }) => failures))).toBeLessThan(ATTEMPTS);
    expect(fates(7).filter(({ parks }) => parks).length).toBeGreaterThan(0);
    expect(fates(7).filter(({ parks }) => parks).length).toBeLessThan(40);
  });

  test('takes less time where events come faster, so that a hot aggregate keeps up', () => {
    expect(waitScaleOf({ eventsPerSecond: 100, aggregates: 60 })).toBe(1);
    const scale = waitScaleOf({ eventsPerSecond: 5_000, aggregates: 60 });
    expect(scale).toBeLessThan(0.05);
    const waits = Array.from(
      { length: 50_000 },
      (_, n) => fateOf({ seed: 7, waitScale: scale }, 'hot', n).waitMs,
    );
    const meanMs = waits.reduce((sum, ms) => sum + ms, 0) / waits.length;
    expect(meanMs * 5_000 * 0.17).toBeLessThan(1_000);
  });

  test('has a release of its own per event, in any file system', () => {
    expect(releaseName('a/b', 1)).toMatch(/^[\w-]+$/);
    expect(new Set([releaseName('a', 11), releaseName('a', 1), releaseName('a-1', 1)]).size).toBe(3);
  });
});

test('the bound of the streams grows with the events, from 8 MiB', () => {
  expect(sizeBoundOf({ events: 100 }).topicBytes).toBe(8 * 1_048_576);
  expect(sizeBoundOf({ events: 100_000 })).toMatchObject({ topicBytes: 204_800_000, messages: 101_000 });
});
