import { expect, test } from '@jest/globals';
import { Health } from '#library/observe/health.js';
import {
  failsLiveness,
  failsReadiness,
  type HealthProblem,
  type HealthProblemCode,
} from '#library/observe/health-problem.js';
import { treesOf, unionOf } from '../../support/source-texts.js';
import { ObservedFixture } from './observed-fixture.js';

test('a process in which all is well has no problem', () => {
  expect(new Health(new ObservedFixture()).problems()).toEqual([]);
});

const failing = { withinMs: 5_000, total: 19, failed: 18, nearlyAllFail: true, stillFail: false };

const NONE_MADE = { total: 0, failed: 0, nearlyAllFail: false, stillFail: true };

/** What breaks, how it is called, and what of a probe fails. */
const CASES: [HealthProblemCode, (fixture: ObservedFixture) => unknown, string, ('ready' | 'live')[]][] = [
  ['not-listening', (b) => (b.isListening = false), 'startAllMicroservices', ['ready']],
  ['disconnected', (b) => (b.topic.connected = false), 'no connection to NATS', ['ready']],
  ['disconnected', (b) => b.notOpen.push('journal'), 'is not open', ['ready']],
  ['connection-closed', (b) => (b.topic.closed = true), 'only a restart', ['ready', 'live']],
  [
    'connection-closed',
    (b) => Object.assign(b.topic, { closed: true, closedWhy: 'Authorization Violation' }),
    'given its connection up (Authorization Violation); only a restart makes another; correct what the reason names',
    ['ready', 'live'],
  ],
  [
    'jetstream-away',
    (b) => (b.topic.jetStreamAway = { forMs: 4_000, why: '503' }),
    'nothing for 4000 ms (503)',
    ['ready'],
  ],
  ['attempts-fail', (b) => (b.load.attempts = failing), '19 attempts within 5000 ms 18 failed', ['ready']],
  [
    'attempts-fail',
    (b) => Object.assign(b.load, { lanes: 5, attempts: { ...failing, ...NONE_MADE } }),
    'nearly all attempts failed, of several aggregates, and none has succeeded since; within the last 5000 ms none was',
    ['ready'],
  ],
  ['breaker-open', (b) => (b.load.breaker = { isOpen: true, prober: 'a' }), 'most attempts fail', ['ready']],
  ['halted', (b) => Object.assign(b.load, { mode: 'halted', haltReason: 'no stock' }), 'halts: no stock', []],
  [
    'newer-version',
    (b) =>
      Object.assign(b.load, { mode: 'halted', haltCause: 'newer version', haltReason: 'found format 2' }),
    'found format 2',
    [],
  ],
  ['unowned', (b) => (b.unownedMs = 6_001), 'has renewed its lease for 6001 ms', []],
  ['not-publishing', (b) => (b.trouble = { forMs: 5, why: 'it is full' }), 'it is full', []],
  [
    'mixed-handlers',
    (b) => (b.load.typeWait = { type: 'Paid', forMs: 600_000 }),
    'type "Paid" wait for 600000 ms',
    [],
  ],
  ['parked', (b) => (b.load.parked = 2), '2 aggregates are parked', []],
  [
    'not-committing',
    (b) => Object.assign(b.load, { notCommittingMs: 3_501, notCommittingWhy: 'no answer' }),
    'claimed or committed for 3501 ms (no answer)',
    [],
  ],
  ['not-reading', (b) => (b.load.notReadingMs = 3_501), 'no event could be taken in for 3501 ms', []],
  [
    'guard-refuses',
    (b) => Object.assign(b.lanes, { blocked: 2, refusedByGuard: 2 }),
    'refuses 2 aggregates',
    [],
  ],
  ['blocked', (b) => Object.assign(b.lanes, { blocked: 3 }), '3 aggregates are blocked', []],
  ['stuck', (b) => (b.lanes.stuck = 1), '1 handlers have not settled', []],
  ['letters-refused', (b) => (b.load.letterRefusal = 'maximum bytes exceeded'), 'maximum bytes exceeded', []],
  [
    'retention-near',
    (b) => (b.near = '91 of at most 100 events'),
    'not settled: 91 of at most 100 events',
    [],
  ],
  ['events-lost', (b) => (b.counts.lost = 12), 'up to 12 events', []],
  [
    'settings-changed',
    (b) =>
      (b.topic.settings = { current: () => [{ stream: 'orders', what: 'no_ack found true', since: 1 }] }),
    'stream "orders" was edited so that it breaks a promise: no_ack found true',
    [],
  ],
  [
    'settings-changed',
    (b) =>
      (b.topic.settings = {
        current: () => [{ stream: 'KV_a', what: 'expected stream to exist', todo: 'restart one', since: 1 }],
      }),
    'stream "KV_a" is missing: expected stream to exist; restart one',
    [],
  ],
  [
    'settings-changed',
    (b) => (b.load.readerEdited = 'found it paused'),
    'edited or paused again and again: found it paused',
    [],
  ],
  [
    'settings-changed',
    (b) => {
      const first = { problem: 'settings-changed', why: 'own 3, stored 9', do: 'call reset' } as const;
      Object.assign(b.lanes, { blocked: 2, byReason: [{ lanes: 2, first }] });
    },
    '2 aggregates are blocked until settings are corrected, the first because: own 3, stored 9; call reset',
    [],
  ],
  [
    'newer-version',
    (b) => {
      const first = { problem: 'newer-version', why: 'found version 3', do: 'deploy it' } as const;
      Object.assign(b.lanes, { blocked: 1, byReason: [{ lanes: 1, first }] });
    },
    '1 aggregate is blocked until a newer release of the service has the partition, the first because: found version 3; deploy it',
    [],
  ],
];

test.each(CASES)('%s is named, with what fails', (code, breakIt, text, fails) => {
  const fixture = new ObservedFixture();
  breakIt(fixture);
  const problems = new Health(fixture).problems();
  expect(problems).toMatchObject([{ code }]);
  const [{ why, do: todo, since }] = problems as [HealthProblem];
  expect(`${why}; ${todo}`).toContain(text);
  expect(todo.length).toBeGreaterThan(3);
  expect(since).toBeLessThanOrEqual(fixture.clock.wallNow());
  expect(failsReadiness(code)).toBe(fails.includes('ready'));
  expect(failsLiveness(code)).toBe(fails.includes('live'));
});

test('every problem has its case here', () => {
  const source = treesOf('libs/aggregate-transport/src').get('observe/health-problem.ts')!;
  expect(new Set(CASES.map(([code]) => code))).toEqual(new Set(unionOf(source, 'HealthProblemCode')));
});

test('a commit or a reader that is late for as long as a failover takes is no problem', () => {
  const fixture = new ObservedFixture();
  Object.assign(fixture.load, { notCommittingMs: 3_500, notReadingMs: 3_500 });
  expect(new Health(fixture).problems()).toEqual([]);
});

test('an outage is named while retries wait long, as long as five aggregates wait and none has succeeded', () => {
  const fixture = new ObservedFixture();
  const attempts = { withinMs: 5_000, total: 3, failed: 3, nearlyAllFail: false, stillFail: true };
  Object.assign(fixture.load, { attempts, lanes: 5 });
  expect(new Health(fixture).problems()).toMatchObject([{ code: 'attempts-fail' }]);
  fixture.load.lanes = 4;
  expect(new Health(fixture).problems()).toEqual([]);
});

test('a problem says where it is and since when: the first look at it, or what is known', async () => {
  const fixture = new ObservedFixture();
  const health = new Health(fixture);
  fixture.load.parked = 1;
  fixture.load.notReadingMs = 4_500;
  const began = fixture.clock.wallNow();
  health.problems();
  await fixture.clock.advance(1_000);
  fixture.load.notReadingMs = 5_500;
  const where = { topic: 'orders', group: 'billing', partition: 0 };
  expect(health.problems()).toMatchObject([
    { code: 'not-reading', ...where, since: began - 4_500 },
    { code: 'parked', ...where, since: began },
  ]);
  fixture.load.parked = 0;
  health.problems();
  await fixture.clock.advance(1_000);
  fixture.load.parked = 1;
  expect(health.problems()[1]).toMatchObject({ since: began + 2_000 });
});

test('what a process remembers of a partition that another one owns by now is no problem', () => {
  const fixture = new ObservedFixture();
  Object.assign(fixture, { holder: 'another', leaseMode: 'standby' });
  Object.assign(fixture.load, { notCommittingMs: 60_000, notReadingMs: 60_000, parked: 1 });
  expect(new Health(fixture).problems()).toEqual([]);
});

test('while there is no connection, JetStream and publishes that wait are no further problems', () => {
  const fixture = new ObservedFixture();
  fixture.topic.connected = false;
  fixture.topic.jetStreamAway = { forMs: 9_000, why: '503' };
  fixture.trouble = { forMs: 9_000, why: 'not stored yet' };
  expect(new Health(fixture).problems()).toMatchObject([{ code: 'disconnected' }]);
});

test('an event that waits for another replica is no problem for as long as a rolling deploy takes', () => {
  const fixture = new ObservedFixture();
  fixture.load.typeWait = { type: 'Paid', forMs: 599_999 };
  expect(new Health(fixture).problems()).toEqual([]);
});

test('an application without handlers need not listen', () => {
  const fixture = new ObservedFixture();
  Object.assign(fixture, { hasHandlers: false, isListening: false });
  expect(new Health(fixture).problems()).toEqual([]);
});

test('the oldest aggregate of each kind is named, and nothing of its payload', () => {
  const fixture = new ObservedFixture();
  const of = (aggregateId: string, sequence: number) =>
    ({
      ...{ aggregateId, sequence, type: 'Placed', state: 'waiting', attempts: 3, ageMs: 5, queued: 1 },
      ...{ isStuck: false, isLetter: false },
      lastFailure: { stage: 'handler', outcome: 'block', error: 'no stock' },
    }) as const;
  const oldest = { guard: of('order 6', 11), blocked: of('order 7', 12), stuck: of('order 8', 13) };
  Object.assign(fixture.lanes, { blocked: 2, refusedByGuard: 1, stuck: 1, oldest, slowest: [oldest.stuck] });
  expect(new Health(fixture).problems()).toMatchObject([
    { code: 'guard-refuses', why: expect.stringContaining('aggregate "order 6", sequence 11') },
    { code: 'blocked', why: expect.stringContaining('aggregate "order 7", sequence 12') },
    { code: 'stuck', why: expect.stringContaining('aggregate "order 8", sequence 13') },
  ]);
});

test('a loss is reported for an hour, and again when more is lost', async () => {
  const fixture = new ObservedFixture();
  const health = new Health(fixture);
  fixture.counts.lost = 12;
  expect(health.problems()).toHaveLength(1);
  await fixture.clock.advance(3_599_999);
  expect(health.problems()).toHaveLength(1);
  await fixture.clock.advance(1);
  expect(health.problems()).toEqual([]);
  fixture.counts.lost = 13;
  expect(health.problems()).toHaveLength(1);
});

test('a loss in a new layout is reported, also if it is as large as one before', async () => {
  const fixture = new ObservedFixture();
  const health = new Health(fixture);
  fixture.counts.lost = 12;
  expect(health.problems()).toHaveLength(1);
  await fixture.clock.advance(3_600_000);
  expect(health.problems()).toEqual([]);
  const [group] = fixture.topic.groups;
  fixture.topic.groups = [{ ...group!, layout: group!.layout + 1 }];
  expect(health.problems()).toHaveLength(1);
});
