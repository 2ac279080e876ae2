import { expect, test } from '@jest/globals';
import { failsLiveness, failsReadiness, Health, type HealthProblemCode } from '#library/observe/health.js';
import { treesOf, unionOf } from '../../support/source-texts.js';
import { ObservedFixture } from './observed-fixture.js';

test('a process in which all is well has no problem', () => {
  expect(new Health(new ObservedFixture()).problems()).toEqual([]);
});

/** What breaks, how it is called, and what of a probe fails. */
const CASES: [HealthProblemCode, (fixture: ObservedFixture) => unknown, string, ('ready' | 'live')[]][] = [
  ['not-listening', (b) => (b.isListening = false), 'startAllMicroservices', ['ready']],
  ['disconnected', (b) => (b.topic.connected = false), 'topic "orders"', ['ready']],
  ['disconnected', (b) => b.notOpen.push('journal'), 'topic "journal"', ['ready']],
  ['connection-closed', (b) => (b.topic.closed = true), 'only a restart', ['ready', 'live']],
  ['breaker-open', (b) => (b.load.breaker = { isOpen: true, prober: 'a' }), 'most attempts fail', ['ready']],
  ['halted', (b) => Object.assign(b.load, { mode: 'halted', haltReason: 'no stock' }), 'halts: no stock', []],
  ['not-committing', (b) => (b.load.notCommittingMs = 5_001), 'could not be committed for 5001 ms', []],
  ['not-reading', (b) => (b.load.notReadingMs = 5_001), 'no reader has answered for 5001 ms', []],
  [
    'guard-refuses',
    (b) => Object.assign(b.lanes, { blocked: 2, refusedByGuard: 2 }),
    'refuses 2 aggregates',
    [],
  ],
  ['blocked', (b) => Object.assign(b.lanes, { blocked: 3 }), '3 aggregates are blocked', []],
  ['stuck', (b) => (b.lanes.stuck = 1), '1 handlers have not settled', []],
  ['letters-refused', (b) => (b.load.letterRefusal = 'maximum bytes exceeded'), 'maximum bytes exceeded', []],
  ['events-lost', (b) => (b.counts.lost = 12), 'up to 12 events', []],
];

test.each(CASES)('%s is named, with what fails', (code, breakIt, text, fails) => {
  const fixture = new ObservedFixture();
  breakIt(fixture);
  const problems = new Health(fixture).problems();
  expect(problems).toEqual([{ code, text: expect.stringContaining(text) }]);
  expect(failsReadiness(problems[0]!)).toBe(fails.includes('ready'));
  expect(failsLiveness(problems[0]!)).toBe(fails.includes('live'));
});

test('every problem has its case here', () => {
  const source = treesOf('libs/aggregate-transport/src').get('observe/health.ts')!;
  expect(new Set(CASES.map(([code]) => code))).toEqual(new Set(unionOf(source, 'HealthProblemCode')));
});

test('a commit or a reader that is late for as long as a failover takes is no problem', () => {
  const fixture = new ObservedFixture();
  Object.assign(fixture.load, { notCommittingMs: 5_000, notReadingMs: 5_000 });
  expect(new Health(fixture).problems()).toEqual([]);
});

test('an application without handlers need not listen', () => {
  const fixture = new ObservedFixture();
  Object.assign(fixture, { hasHandlers: false, isListening: false });
  expect(new Health(fixture).problems()).toEqual([]);
});

test('the worst aggregate is named, and nothing of its payload', () => {
  const fixture = new ObservedFixture();
  const worst = {
    aggregateId: 'order 7',
    sequence: 12,
    type: 'Placed',
    state: 'waiting',
    attempts: 3,
    ageMs: 5,
  };
  const failure = { stage: 'handler', outcome: 'block', error: 'no stock' };
  const slowest = [{ ...worst, queued: 1, isStuck: false, isLetter: false, lastFailure: failure } as const];
  Object.assign(fixture.lanes, { blocked: 1, slowest });
  expect(new Health(fixture).problems()[0]?.text).toContain('aggregate "order 7", sequence 12');
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
