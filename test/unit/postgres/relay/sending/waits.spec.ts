import { expect, test } from '@jest/globals';
import { Lane } from '#postgres/relay/sending/lane.js';
import { pauseAfter, Waits } from '#postgres/relay/sending/waits.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

const row = { event: { eventId: '1', token: 'a' }, id: 1, bytes: 1, floor: 0 } as never;

function fixture() {
  const clock = new ManualClock();
  const again: string[] = [];
  const waits = new Waits(clock, (lane) => void again.push(lane.token));
  /** A lane whose send has just failed. */
  const failing = (token: string): Lane => {
    const lane = new Lane(token, { last: 0, knownFrom: 0 });
    lane.add(row);
    lane.startSending();
    lane.wait();
    return lane;
  };
  return { clock, waits, again, failing };
}

test.each([
  ['the pause grows with the attempts', 1, 1, 40],
  ['and with nothing else while few wait', 4, 20, 320],
  ['up to two seconds', 20, 1, 2_000],
  ['many that wait are tried again one after the other', 1, 1_000, 5_000],
])('%s', (_name, failures, waiting, pauseMs) => {
  expect(pauseAfter(failures, waiting)).toBe(pauseMs);
});

test('a thousand lanes of one cause are spread: at most 200 are tried again within a second', async () => {
  const { clock, waits, again, failing } = fixture();
  for (let n = 0; n < 1_000; n++) waits.add(failing(`a${n}`), new Error('no permission'));
  await clock.advance(1_000);
  expect(again.length).toBeGreaterThan(100);
  expect(again.length).toBeLessThanOrEqual(200);
});

test('the trouble lasts until each of its lanes is stored, and names the last cause', async () => {
  const { clock, waits, failing } = fixture();
  expect(waits.trouble).toBeUndefined();
  const [a, b] = [failing('a'), failing('b')];
  waits.add(a, new Error('full'));
  await clock.advance(100);
  waits.add(b, new Error('no permission'));
  // The lanes are tried again meanwhile: the trouble is not over.
  await clock.advance(3_000);
  expect(waits.trouble).toEqual({ since: clock.wallNow() - 3_100, aggregates: 2, why: 'no permission' });
  waits.noteStored(a);
  expect(waits.trouble).toMatchObject({ aggregates: 1 });
  waits.forget(b);
  expect(waits.trouble).toBeUndefined();
});

test('one that is stored shows that the cause is gone: all others are tried again at once', async () => {
  const { clock, waits, again, failing } = fixture();
  const [a, b, c] = [failing('a'), failing('b'), failing('c')];
  waits.add(b, new Error('no permission'));
  await clock.advance(40);
  for (const lane of [a, c]) waits.add(lane, new Error('no permission'));
  expect(again).toEqual(['b']);
  waits.noteStored(b);
  expect(again).toEqual(['b', 'a', 'c']);
});

test('one that never failed shows nothing', () => {
  const { waits, again, failing } = fixture();
  waits.add(failing('a'), new Error('no permission'));
  waits.noteStored(new Lane('healthy', { last: 0, knownFrom: 0 }));
  expect(again).toEqual([]);
});
