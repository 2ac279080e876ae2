import { describe, expect, test } from '@jest/globals';
import { checkStream, type KnownEvent } from '#library/consumer/reading/stream-check.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { CREATED, timeOf } from '../position/position-fixture.js';
import { FakeReaderPort, unanswered } from './reading-fixture.js';

function fixture() {
  const clock = new ManualClock();
  const port = new FakeReaderPort();
  let streams = 0;
  port.onStream = () => {
    streams++;
    return Promise.resolve(port.state);
  };
  const check = (...events: readonly KnownEvent[]) => checkStream(port, clock, { created: CREATED, events });
  return { clock, port, check, streams: () => streams };
}

const known = (sequence: number): KnownEvent => ({ sequence, time: timeOf(sequence) });

describe('a stream', () => {
  test('is the same if it reaches all that is known, and what it holds there was stored then', async () => {
    const { check, port } = fixture();
    port.missing.add(7);
    port.state = { created: CREATED, firstSequence: 5, lastSequence: 30, isRestored: false };
    const verdict = await check(
      known(30),
      known(7),
      known(2),
      { sequence: 9, time: '' },
      { sequence: 0, time: '' },
    );
    expect(verdict.kind).toBe('same');
    // Retention dropped 2, and the times of 9 and 0 are not known.
    expect(port.asked).toEqual([30, 7]);
  });

  test('is another one if it was made at another time, and that is believed at once', async () => {
    const { check, port, streams } = fixture();
    port.state = { created: 'later', firstSequence: 1, lastSequence: 0, isRestored: false };
    expect((await check(known(30))).kind).toBe('made again');
    expect(streams()).toBe(1);
  });

  test('is the one that is found if none is known yet', async () => {
    const { port, clock } = fixture();
    expect((await checkStream(port, clock, { created: '', events: [] })).kind).toBe('same');
  });

  test.each([
    [
      'ends before an event that is known',
      (port: FakeReaderPort) => (port.state = { ...port.state, lastSequence: 29 }),
    ],
    [
      'holds an event of another time there',
      (port: FakeReaderPort) => {
        const find = port.onFind;
        port.onFind = (sequence) => find(sequence + 1);
      },
    ],
  ])('went back only if it still %s a second later', async (_what, spoil) => {
    const { check, port, clock, streams } = fixture();
    const before = port.state;
    const find = port.onFind;
    spoil(port);
    const first = check(known(30));
    await clock.advance(999);
    expect(streams()).toBe(1);
    await clock.advance(1);
    expect((await first).kind).toBe('went back');
    expect(streams()).toBe(2);

    const second = check(known(30));
    await clock.advance(500);
    port.state = before;
    port.onFind = find;
    await clock.advance(500);
    expect((await second).kind).toBe('same');
  });

  test('is not judged without an answer', async () => {
    const { check, port } = fixture();
    port.onFind = () => Promise.reject(unanswered());
    await expect(check(known(30))).rejects.toThrow('found none');
  });
});
