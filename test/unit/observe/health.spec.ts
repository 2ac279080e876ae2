import { expect, test } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { failsLiveness, failsReadiness, Health, type HealthProblemCode } from '#library/observe/health.js';
import { ObservedBench } from './observed-bench.js';

test('a process in which all is well has no problem', () => {
  expect(new Health(new ObservedBench()).problems()).toEqual([]);
});

/** What breaks, how it is called, and what of a probe fails. */
const CASES: [HealthProblemCode, (bench: ObservedBench) => unknown, string, ('ready' | 'live')[]][] = [
  ['not-listening', (b) => (b.isListening = false), 'startAllMicroservices', ['ready']],
  ['disconnected', (b) => (b.topic.connected = false), 'topic "orders"', ['ready']],
  ['disconnected', (b) => b.notOpen.push('journal'), 'topic "journal"', ['ready']],
  ['connection-closed', (b) => (b.topic.closed = true), 'only a restart', ['ready', 'live']],
  ['breaker-open', (b) => (b.load.breaker = { isOpen: true, prober: 'a' }), 'most attempts fail', ['ready']],
  ['halted', (b) => Object.assign(b.load, { mode: 'halted', haltReason: 'no stock' }), 'halts: no stock', []],
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
  const bench = new ObservedBench();
  breakIt(bench);
  const problems = new Health(bench).problems();
  expect(problems).toEqual([{ code, text: expect.stringContaining(text) }]);
  expect(failsReadiness(problems[0]!)).toBe(fails.includes('ready'));
  expect(failsLiveness(problems[0]!)).toBe(fails.includes('live'));
});

test('every problem is explained in docs/operations.md', () => {
  const page = readFileSync('docs/operations.md', 'utf8');
  for (const [code] of CASES) expect(page).toContain(`\`${code}\``);
});

test('an application without handlers need not listen', () => {
  const bench = new ObservedBench();
  Object.assign(bench, { hasHandlers: false, isListening: false });
  expect(new Health(bench).problems()).toEqual([]);
});

test('the worst aggregate is named, and nothing of its payload', () => {
  const bench = new ObservedBench();
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
  Object.assign(bench.lanes, { blocked: 1, slowest });
  expect(new Health(bench).problems()[0]?.text).toContain('aggregate "order 7", sequence 12');
});

test('a loss is reported for an hour, and anew when more is lost', async () => {
  const bench = new ObservedBench();
  const health = new Health(bench);
  bench.counts.lost = 12;
  expect(health.problems()).toHaveLength(1);
  await bench.clock.advance(3_599_999);
  expect(health.problems()).toHaveLength(1);
  await bench.clock.advance(1);
  expect(health.problems()).toEqual([]);
  bench.counts.lost = 13;
  expect(health.problems()).toHaveLength(1);
});
