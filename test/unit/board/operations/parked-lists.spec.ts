import { expect, test } from '@jest/globals';
import type { ParkedSummary } from 'nestjs-aggregate-transport/operating';
import { ParkedLists } from '#board/operations/parked-lists.js';
import { ManualClock, settled } from '../live/manual-clock.js';

const REF = { topic: 't', group: 'g' };
const parked = (aggregateId: string) => ({ aggregateId }) as ParkedSummary;

/** A server that takes half a second for each of two pages. */
function world() {
  const clock = new ManualClock();
  const state = { pages: 0, reads: 0, pageMs: 500, failure: undefined as Error | undefined };
  const lists = new ParkedLists(
    () => ({
      parked: async (_ref, _filter, page) => {
        state.pages++;
        if (page?.after === undefined) state.reads++;
        if (state.failure !== undefined) throw state.failure;
        if (state.pageMs > 0) await new Promise<void>((resolve) => clock.after(state.pageMs, resolve));
        if (page?.after !== undefined) return { aggregates: [parked('b')], total: 2, next: undefined };
        return { aggregates: [parked(`a-${state.reads}`)], total: 2, next: 'a' };
      },
    }),
    clock,
  );
  const ids = async (): Promise<string[] | undefined> => {
    const known = lists.of(REF);
    await clock.pass(400);
    const { list, isRead } = await known;
    return isRead ? list.map(({ aggregateId }) => aggregateId) : undefined;
  };
  return { clock, state, lists, ids };
}

test('keeps no page waiting, shares one read of every page, and rests ten times as long', async () => {
  const { clock, state, lists, ids } = world();
  const others = [lists.of(REF), lists.of(REF)];
  expect(await ids()).toBeUndefined();
  await Promise.all(others);
  await clock.pass(600);
  expect(await ids()).toEqual(['a-1', 'b']);
  expect(state).toMatchObject({ reads: 1, pages: 2 });
  await clock.pass(9_500);
  expect(await ids()).toEqual(['a-1', 'b']);
  expect(state.reads).toBe(1);
  await clock.pass(1_000);
  // The old list stands until the new one is there.
  expect(await ids()).toEqual(['a-1', 'b']);
  await clock.pass(1_000);
  expect(await ids()).toEqual(['a-2', 'b']);
});

test('a short list is read each time, and shown as it is', async () => {
  const { state, ids } = world();
  state.pageMs = 0;
  expect(await ids()).toEqual(['a-1', 'b']);
  expect(await ids()).toEqual(['a-2', 'b']);
});

test('reads again after a command, and trusts no read that began before it', async () => {
  const { clock, state, lists, ids } = world();
  await ids();
  lists.forget(REF);
  await clock.pass(1_000);
  expect(await ids()).toBeUndefined();
  await clock.pass(1_000);
  expect(await ids()).toEqual(['a-2', 'b']);
  expect(state.reads).toBe(2);
});

test('tells a failure, and tries again', async () => {
  const { state, lists, ids } = world();
  state.failure = new Error('away');
  await expect(lists.of(REF)).rejects.toThrow('away');
  await settled();
  state.failure = undefined;
  state.pageMs = 0;
  expect(await ids()).toEqual(['a-2', 'b']);
});
