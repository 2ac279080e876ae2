import { expect, test } from '@jest/globals';
import { RecentAttempts } from '#library/consumer/recent-attempts.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

function attemptsOf(tokens: number) {
  const clock = new ManualClock(1_000);
  const recent = new RecentAttempts(clock);
  const attempt = (count: number, failed: boolean): void => {
    for (let n = 0; n < count; n++) recent.attempted(`a${n % tokens}`, failed);
  };
  return { clock, recent, attempt };
}

test('20 failed attempts of 5 aggregates within 5 s mean that nearly all fail', () => {
  const { recent, attempt } = attemptsOf(5);
  attempt(19, true);
  expect(recent.share.nearlyAllFail).toBe(false);
  attempt(1, true);
  expect(recent.share).toEqual({
    withinMs: 5_000,
    total: 20,
    failed: 20,
    nearlyAllFail: true,
    stillFail: true,
  });
});

test('four aggregates may fail as often as they like', () => {
  const { recent, attempt } = attemptsOf(4);
  attempt(1_000, true);
  expect(recent.share.nearlyAllFail).toBe(false);
});

test('one success in ten attempts is enough not to count as nearly all', () => {
  const { recent, attempt } = attemptsOf(9);
  attempt(90, true);
  attempt(9, false);
  expect(recent.share.nearlyAllFail).toBe(true);
  attempt(1, false);
  expect(recent.share.nearlyAllFail).toBe(false);
});

test('it is over 5 s after the last failure, and at once when all succeed again', async () => {
  const { clock, recent, attempt } = attemptsOf(5);
  attempt(40, true);
  await clock.advance(4_000);
  expect(recent.share.nearlyAllFail).toBe(true);
  await clock.advance(1_000);
  expect(recent.share).toMatchObject({ total: 0, nearlyAllFail: false });
  attempt(40, true);
  attempt(400, false);
  expect(recent.share.nearlyAllFail).toBe(false);
});

test('they still fail while none succeeds, however few are made', async () => {
  const { clock, recent, attempt } = attemptsOf(5);
  attempt(19, true);
  expect(recent.share.stillFail).toBe(false);
  attempt(1, true);
  await clock.advance(20_000);
  expect(recent.share).toMatchObject({ total: 0, nearlyAllFail: false, stillFail: true });
  attempt(1, true);
  expect(recent.share.stillFail).toBe(true);
  attempt(1, false);
  expect(recent.share.stillFail).toBe(false);
});

test('successes before a long quiet time say nothing of what follows', async () => {
  const { clock, recent, attempt } = attemptsOf(5);
  attempt(1_000, false);
  await clock.advance(60_000);
  attempt(20, true);
  expect(recent.share).toMatchObject({ total: 20, nearlyAllFail: true });
});
