import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type LaneNow, reportLanes } from '#library/consumer/lanes/lane-report.js';
import { eventOf } from '../handling/deliveries.js';

interface Story {
  readonly age: number;
  readonly attempt?: number;
  readonly outcome?: string;
  readonly stage?: string;
  readonly stuck?: boolean;
}

const NOW = 100_000;

function laneOf({ age, attempt = 1, outcome, stage = 'handler', stuck = false }: Story, n: number): LaneNow {
  const event = eventOf(`order ${n}`, n);
  event.attempt = attempt;
  event.startedAt = NOW - age;
  event.reportedStuck = stuck;
  if (outcome !== undefined) event.failed({ stage, outcome, error: 'no stock' });
  const mode = stuck ? 'running' : 'waiting';
  return { token: event.token, mode, size: 1, event, isLetter: false, runsAgainAt: 0 };
}

const idsOf = (stories: Story[], top: number): string[] =>
  reportLanes(stories.map(laneOf), NOW, top).slowest.map(({ aggregateId }) => aggregateId);

test('lists stuck and blocked lanes first, then the oldest, and at most as many as asked for', () => {
  const stories = [
    { age: 5 },
    { age: 90 },
    { age: 1, outcome: 'block' },
    { age: 50 },
    { age: 2, stuck: true },
  ];
  expect(idsOf(stories, 4)).toEqual(['order 4', 'order 2', 'order 1', 'order 3']);
  expect(idsOf(stories, 0)).toEqual([]);
});

test('counts blocked, refused and stuck lanes, even if none of them is listed', () => {
  const stories = [
    { age: 1, outcome: 'block', stage: 'guard' },
    { age: 1, outcome: 'block' },
    { age: 1, outcome: 'retry' },
    { age: 1, stuck: true },
  ];
  expect(reportLanes(stories.map(laneOf), NOW, 0)).toMatchObject({ blocked: 2, refusedByGuard: 1, stuck: 1 });
});

test('names the oldest lane of each kind, even if none is listed', () => {
  const stories = [
    { age: 1, stuck: true },
    { age: 9, outcome: 'block' },
    { age: 8, outcome: 'block' },
    { age: 7, outcome: 'block', stage: 'guard' },
    { age: 2, stuck: true },
    { age: 99, outcome: 'retry' },
  ];
  const { oldest, slowest } = reportLanes(stories.map(laneOf), NOW, 0);
  expect(oldest).toMatchObject({
    guard: { aggregateId: 'order 3', ageMs: 7 },
    blocked: { aggregateId: 'order 1', ageMs: 9 },
    stuck: { aggregateId: 'order 4', ageMs: 2, isStuck: true },
  });
  expect(slowest).toEqual([]);
});

test('tells apart the blocked lanes whose error names settings, with what the first of them says', () => {
  const blocked = [1, 2, 3].map((n) => {
    const lane = laneOf({ age: 1 }, n);
    const why = `stored token ${n}`;
    const settings = n === 1 ? undefined : ({ problem: 'settings-changed', why, do: 'reset' } as const);
    lane.event!.failed({ stage: 'handler', outcome: 'block', error: 'fenced' }, { block: settings });
    return lane;
  });
  expect(reportLanes(blocked, NOW, 0)).toMatchObject({
    blocked: 3,
    byReason: [{ lanes: 2, first: { why: 'stored token 2', do: 'reset' } }],
    oldest: { blocked: { aggregateId: 'order 1' } },
  });
});

test('does not list a lane whose event waits for its first attempt, or whose letter is looked for', () => {
  const waiting = laneOf({ age: 50, attempt: 0 }, 0);
  const looking: LaneNow = { ...waiting, event: undefined, isLetter: true };
  expect(reportLanes([waiting, looking], NOW, 10).slowest).toEqual([]);
});

test('keeps the worst lanes in order, for any lanes', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 1_000 }), { maxLength: 40 }),
      fc.integer({ min: 0, max: 12 }),
      (ages, top) => {
        const found = reportLanes(
          ages.map((age, n) => laneOf({ age }, n)),
          NOW,
          top,
        ).slowest.map(({ ageMs }) => ageMs);
        expect(found).toEqual(ages.toSorted((a, b) => b - a).slice(0, top));
      },
    ),
  );
});
