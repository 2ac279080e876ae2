import { expect, test } from '@jest/globals';
import { FailureLog } from '#library/consumer/handling/failure-log.js';
import { MAX_LINES, SUMMARY_EVERY_MS } from '#library/line-room.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { recordedLog } from './deliveries.js';

function fixture() {
  const clock = new ManualClock(1_000);
  const log = recordedLog();
  const warn = (text: string) => () => void log.lines.push(`warn ${text}`);
  return { clock, log, warn, failures: new FailureLog('orders/billing', clock, log) };
}

test('a change of state has its own line, at once, and no summary follows it', async () => {
  const { clock, log, warn, failures } = fixture();
  failures.attemptFailed('a', 'no stock', warn('a fails'));
  failures.recovered(warn('a is handled'));
  expect(log.lines).toEqual(['warn a fails', 'warn a is handled']);
  expect(clock.pendingTimers).toBe(0);
  await clock.advance(3 * SUMMARY_EVERY_MS);
  expect(log.lines).toHaveLength(2);
});

test('attempts without a change are told by one summary in ten seconds, with the last reason', async () => {
  const { clock, log, failures } = fixture();
  for (let n = 0; n < 1_000; n++) failures.attemptFailed(`a${n % 7}`, `reason ${n}`);
  expect(log.lines).toEqual([]);
  await clock.advance(SUMMARY_EVERY_MS);
  expect(log.lines).toEqual([
    'warn orders/billing: 1000 further attempt(s) of 7 aggregate(s) failed and 0 further event(s) recovered within 10 s; ' +
      'the last failure: reason 999',
  ]);
  await clock.advance(3 * SUMMARY_EVERY_MS);
  expect(log.lines).toHaveLength(1);
});

test('lines of single aggregates are bounded in each window, and the rest is counted', async () => {
  const { clock, log, warn, failures } = fixture();
  for (let n = 0; n < MAX_LINES + 50; n++) failures.attemptFailed(`a${n}`, 'away', warn(`a${n}`));
  for (let n = 0; n < 30; n++) failures.recovered(warn(`a${n}`));
  expect(log.lines).toHaveLength(MAX_LINES);
  await clock.advance(SUMMARY_EVERY_MS);
  expect(log.lines.slice(MAX_LINES)).toEqual([
    'warn orders/billing: 50 further attempt(s) of 50 aggregate(s) failed and 30 further event(s) recovered within 10 s; ' +
      'the last failure: away',
  ]);
  failures.attemptFailed('b', 'away', warn('b'));
  expect(log.lines.at(-1)).toBe('warn b');
});

test('lines that each aggregate can have share that room, and those without room are counted by event', async () => {
  const { clock, log, warn, failures } = fixture();
  const limited = failures.limit(log);
  const live = (n: number): void =>
    limited.write('aggregate-live', { aggregate: `a${n}`, why: 'handled' }, `a${n} is live`);
  const late = (n: number): void =>
    limited.write('marker-late', { aggregate: `a${n}`, epoch: 3 }, `marker of a${n}`);
  failures.attemptFailed('a', 'away', warn('a fails'));
  for (let n = 0; n < MAX_LINES + 4; n++) live(n);
  late(1);
  late(2);
  expect(log.lines).toHaveLength(MAX_LINES);
  // What can happen once for each partition is never left out.
  limited.write('partition-halted', { why: 'boom' }, 'halted');
  expect(log.lines.slice(MAX_LINES)).toEqual(['error halted']);
  await clock.advance(SUMMARY_EVERY_MS);
  expect(log.lines.slice(MAX_LINES + 1)).toEqual([
    'warn orders/billing: 7 further line(s) of single aggregates had no room within 10 s: aggregate-live 5, marker-late 2',
  ]);
  expect(log.said.at(-1)).toEqual({
    event: 'lines-left-out',
    fields: { count: 7, events: 'aggregate-live 5, marker-late 2' },
  });
  live(0);
  expect(log.lines.at(-1)).toBe('info a0 is live');
  await clock.advance(3 * SUMMARY_EVERY_MS);
  expect(log.lines).toHaveLength(MAX_LINES + 3);
  expect(clock.pendingTimers).toBe(0);
});

test('what is not told yet is told when the process stops, and no timer is left', () => {
  const { clock, log, failures } = fixture();
  failures.attemptFailed('a', 'away');
  failures.flush();
  failures.flush();
  expect(log.lines).toHaveLength(1);
  expect(clock.pendingTimers).toBe(0);
});

test('a wrong answer of classify is told once for each answer', () => {
  const { log, failures } = fixture();
  for (let n = 0; n < 5; n++) failures.classifierFailed('orders/billing: Placed', 'found "parked"');
  failures.classifierFailed('orders/billing: Placed', 'found a promise');
  expect(log.lines).toHaveLength(2);
  expect(log.lines[0]).toContain('expected classify to answer "retry"');
});
