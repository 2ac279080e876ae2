import { describe, expect, test } from '@jest/globals';
import { SingleFetch } from '#library/consumer/reading/single-fetch.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { deliveryOf, recordedLog } from '../position/position-fixture.js';
import { FakeReaderPort, unanswered } from './reading-fixture.js';

function fixture() {
  const clock = new ManualClock();
  const port = new FakeReaderPort();
  const log = recordedLog();
  const got: string[] = [];
  const state = { hasRoom: true, isCurrent: true, isDone: false };
  const singles = new SingleFetch({ name: 'p', port, clock, log });
  const sink = {
    fetched: (sequence: number, event: unknown) =>
      void got.push(`${sequence}${event === undefined ? ' gone' : ''}`),
    hasRoom: () => state.hasRoom,
  };
  const fetch = (...sequences: readonly number[]): void =>
    void singles.fetch(sequences, sink, () => state.isCurrent).then(() => (state.isDone = true));
  return { clock, port, log, got, state, fetch };
}

describe('single fetches', () => {
  test('hand over what they asked for in order, in any order of the answers', async () => {
    const { clock, port, got, state, fetch } = fixture();
    const answers: (() => void)[] = [];
    port.onFind = (sequence) =>
      new Promise((resolve) => answers.push(() => resolve(deliveryOf({ sequence }))));
    fetch(3, 5, 9);
    for (const answer of answers.reverse()) answer();
    await clock.settle();
    expect([got, state.isDone]).toEqual([['3', '5', '9'], true]);
  });

  test('ask for 256 at once', async () => {
    const { clock, port, got, fetch } = fixture();
    let open = 0;
    let most = 0;
    port.onFind = async (sequence) => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setImmediate(resolve));
      open--;
      return deliveryOf({ sequence });
    };
    fetch(...Array.from({ length: 600 }, (_, index) => index + 1));
    await clock.settle(12);
    expect([most, got.length]).toEqual([256, 600]);
  });

  test('believe that an event is gone only of a stream that reaches it', async () => {
    const { clock, port, got, fetch } = fixture();
    port.missing.add(5);
    port.state = { ...port.state, lastSequence: 4 };
    fetch(3, 5);
    await clock.advance(200);
    expect(got).toEqual([]);
    // The leader has caught up, and holds it.
    port.state = { ...port.state, lastSequence: 9 };
    port.missing.delete(5);
    await clock.advance(500);
    expect(got).toEqual(['3', '5']);
  });

  test('hand over that an event is gone if the stream reaches it', async () => {
    const { clock, port, got, fetch } = fixture();
    port.missing.add(5);
    port.state = { ...port.state, lastSequence: 5 };
    fetch(3, 5);
    await clock.settle();
    expect(got).toEqual(['3', '5 gone']);
  });

  test('are asked again with growing pauses while the server does not answer, and say so once', async () => {
    const { clock, port, got, log, fetch } = fixture();
    const find = port.onFind;
    const at: number[] = [];
    port.onFind = () => {
      at.push(clock.now());
      return Promise.reject(unanswered());
    };
    fetch(3);
    await clock.advance(3_000);
    const pauses = at.slice(1).map((one, index) => one - at[index]!);
    expect(pauses.slice(0, 6)).toEqual([20, 40, 80, 160, 320, 500]);
    expect(Math.max(...pauses)).toBe(500);
    expect(log.lines).toHaveLength(1);
    port.onFind = find;
    await clock.advance(500);
    expect(got).toEqual(['3']);
  });

  test('wait for room before they ask', async () => {
    const { clock, port, got, state, fetch } = fixture();
    state.hasRoom = false;
    fetch(3, 5);
    await clock.advance(1_000);
    expect(port.asked).toEqual([]);
    state.hasRoom = true;
    await clock.advance(10);
    expect(got).toEqual(['3', '5']);
  });

  test.each([
    ['wait for room', (all: ReturnType<typeof fixture>) => void (all.state.hasRoom = false)],
    [
      'are not answered',
      ({ port }: ReturnType<typeof fixture>) => void (port.onFind = () => Promise.reject(unanswered())),
    ],
  ])('end with their tenure while they %s', async (_what, spoil) => {
    const all = fixture();
    spoil(all);
    all.fetch(3);
    await all.clock.advance(100);
    all.state.isCurrent = false;
    await all.clock.advance(1_000);
    expect([all.got, all.state.isDone, all.clock.pendingTimers]).toEqual([[], true, 0]);
  });

  test('hand over nothing that is answered after the end of the tenure', async () => {
    const { clock, got, state, fetch } = fixture();
    fetch(3);
    state.isCurrent = false;
    await clock.settle();
    expect([got, state.isDone]).toEqual([[], true]);
  });
});
