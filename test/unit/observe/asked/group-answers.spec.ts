import { expect, test } from '@jest/globals';
import { GroupAnswers } from '#library/observe/asked/group-answers.js';
import type { ObservedGroup, ObservedPartition } from '#library/observe/observed.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

/** A group whose walk through all lanes takes as long as the test says. */
function slowGroup(clock: ManualClock, walkMs: () => number) {
  let walks = 0;
  let now = 0;
  const load = { mode: 'running', lanes: 1, inFlight: 0, events: 1, bytes: 1, parked: 0 };
  const more = { notCommittingMs: 0, notReadingMs: 0, breaker: { isOpen: false } };
  const walk = {
    looked: 1,
    step: () => {
      walks++;
      now += walkMs();
      return true;
    },
  };
  const inside = { isDraining: false, settled: undefined, times: { times: undefined }, walk: () => walk };
  const partition = {
    ...{ partition: 0, owner: 'me', renewedAt: 0, lease: { mode: 'held', epoch: 1 } },
    counts: { failedIn: {}, handled: 0, replayed: 0, replaysFailed: 0 },
    consumer: { load: { ...load, ...more }, inside },
  } as unknown as ObservedPartition;
  const group: ObservedGroup = { topic: 't', group: 'g', layout: 0, partitions: [partition] };
  const answers = new GroupAnswers({
    ...{ group, problems: () => [] },
    clock: Object.assign(Object.create(clock) as ManualClock, { now: () => now, wallNow: () => now }),
  });
  const ask = (): Promise<string> => answers.answer({ v: 1, ask: 'group', worst: 5 }, 65_536);
  return { ask, walks: () => walks, pass: (ms: number) => (now += ms) };
}

test('those who ask at the same time share one walk, and the next one is half a second later', async () => {
  const { ask, walks, pass } = slowGroup(new ManualClock(), () => 1);
  await Promise.all([ask(), ask(), ask()]);
  pass(400);
  await ask();
  expect(walks()).toBe(1);
  pass(101);
  await ask();
  expect(walks()).toBe(2);
});

test.each([
  [15, 1_500],
  [1_000, 5_000],
])('a walk of %i ms is not repeated for %i ms: it takes 1 %% of the time, or is rare', async (ms, rest) => {
  const { ask, walks, pass } = slowGroup(new ManualClock(), () => ms);
  await ask();
  pass(rest - 1);
  await ask();
  expect(walks()).toBe(1);
  pass(1);
  await ask();
  expect(walks()).toBe(2);
});
