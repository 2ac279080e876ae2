import { expect, test } from '@jest/globals';
import { ParkedLists } from '#board/operations/parked-lists.js';
import { ManualClock, settled } from '../live/manual-clock.js';

const REF = { topic: 't', group: 'g' };

test('reads every page once for all who ask, and again after ten times as long as that took', async () => {
  const clock = new ManualClock();
  const asked: (string | undefined)[] = [];
  const lists = new ParkedLists(
    () => ({
      parked: async (_ref, _filter, page) => {
        asked.push(page?.after);
        await new Promise<void>((resolve) => clock.after(500, resolve));
        return { aggregates: [], total: 0, next: page?.after === undefined ? 'a-1' : undefined };
      },
    }),
    clock,
  );
  const first = [lists.of(REF), lists.of(REF)];
  await clock.pass(1_000);
  await Promise.all(first);
  expect(asked).toEqual([undefined, 'a-1']);
  await clock.pass(9_999);
  await lists.of(REF);
  expect(asked).toHaveLength(2);
  await clock.pass(1);
  void lists.of(REF);
  await settled();
  expect(asked).toHaveLength(3);
});

test('reads again after a command, and after a failure', async () => {
  const clock = new ManualClock();
  let reads = 0;
  let failure: Error | undefined;
  const lists = new ParkedLists(
    () => ({
      parked: () => {
        reads++;
        if (failure !== undefined) return Promise.reject(failure);
        return Promise.resolve({ aggregates: [], total: 0, next: undefined });
      },
    }),
    clock,
  );
  await lists.of(REF);
  lists.forget(REF);
  failure = new Error('away');
  await expect(lists.of(REF)).rejects.toThrow('away');
  await settled();
  failure = undefined;
  await lists.of(REF);
  expect(reads).toBe(3);
});
