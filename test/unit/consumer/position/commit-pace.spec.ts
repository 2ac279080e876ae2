import { describe, expect, test } from '@jest/globals';
import { CommitPace, WriteBudget } from '#library/consumer/position/commit-pace.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

function fixture(commitEveryMs = 5) {
  const clock = new ManualClock(1_000);
  const budget = new WriteBudget(clock);
  const pace = new CommitPace(clock, commitEveryMs, budget);
  const commit = async ({ bytes = 200, answeredInMs = 1 }): Promise<number> => {
    pace.noteSent(bytes);
    await clock.advance(answeredInMs);
    pace.noteAnswered();
    return pace.waitMs(1);
  };
  return { clock, budget, pace, commit };
}

describe('the next commit', () => {
  test('leaves at once if none has left before', () => {
    expect(fixture().pace.waitMs(1)).toBeLessThanOrEqual(0);
  });

  test.each([
    ['commitEveryMs after the last one', { bytes: 1_024 }, 5],
    ['four times the last answer after it', { answeredInMs: 10 }, 40],
    ['a millisecond for each kB of the last one after it', { bytes: 64 * 1_024 }, 64],
  ])('leaves %s', async (_what, last, pauseMs) => {
    const { commit } = fixture();
    expect(await commit(last)).toBe(pauseMs - ('answeredInMs' in last ? last.answeredInMs : 1));
  });

  test('waits for no more than a second because of an answer that was late', async () => {
    const { commit } = fixture();
    expect(await commit({ answeredInMs: 600 })).toBeLessThanOrEqual(1_000);
    // The store was away for a minute, and the write had reached it.
    expect(await commit({ answeredInMs: 60_000 })).toBeLessThanOrEqual(1_000);
  });

  test('leaves without the pause for late answers once 500 events are settled', async () => {
    const { commit, pace } = fixture();
    await commit({ answeredInMs: 10 });
    expect([498, 499, 500, 501].filter((settled) => pace.beginsToPress(settled))).toEqual([500]);
    expect(pace.waitMs(499)).toBe(30);
    expect(pace.waitMs(500)).toBeLessThanOrEqual(0);
    await commit({ answeredInMs: 1 });
    expect(pace.waitMs(500)).toBe(4);
    await commit({ answeredInMs: 1, bytes: 64 * 1_024 });
    expect(pace.waitMs(500)).toBe(63);
  });

  test('leaves as soon as the last one is answered if commitEveryMs is 0', async () => {
    const { commit } = fixture(0);
    expect(await commit({ bytes: 500_000, answeredInMs: 400 })).toBe(0);
  });

  test('waits for what other partitions of the topic have written, a quarter of a millisecond for each kB', async () => {
    const { pace, budget, clock } = fixture();
    const other = new CommitPace(clock, 5, budget);
    for (let write = 0; write < 3; write++) other.noteSent(100 * 1_024);
    expect(pace.waitMs(1)).toBe(75);
    await clock.advance(30);
    expect(pace.waitMs(1)).toBe(45);
    await clock.advance(1_000);
    expect(pace.waitMs(1)).toBeLessThanOrEqual(0);
  });

  test('pays nothing for small records of others', () => {
    const { pace, budget, clock } = fixture();
    const other = new CommitPace(clock, 5, budget);
    for (let write = 0; write < 1_000; write++) other.noteSent(1_024);
    expect(pace.waitMs(1)).toBeLessThanOrEqual(0);
  });
});
