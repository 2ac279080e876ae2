import { describe, expect, test } from '@jest/globals';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { MemoryStream } from '#library/testing/memory/memory-stream.js';
import { eventOf } from './memory-fixture.js';

function fixture(...tokens: string[]) {
  const clock = new ManualClock();
  const stream = new MemoryStream(clock, 120_000);
  for (const token of tokens) stream.append(eventOf(token));
  const held = (): number[] => stream.messages.map(({ sequence }) => sequence);
  return { clock, stream, held };
}

test('an empty stream begins at 1 and ends at 0', () => {
  expect(fixture().stream.state).toMatchObject({ firstSequence: 1, lastSequence: 0 });
});

test('no two messages have the same time, although the clock stands still', () => {
  const { stream } = fixture('a', 'a', 'a');
  const times = stream.messages.map(({ storedAtNs }) => BigInt(storedAtNs));
  expect(new Set(times).size).toBe(3);
  expect([...times].sort()).toEqual(times);
});

test('finds the last sequence before a time', async () => {
  const { clock, stream } = fixture('a', 'a');
  const start = new Date(clock.wallNow());
  await clock.advance(1_000);
  stream.append(eventOf('a'));
  expect([stream.lastBefore(start), stream.lastBefore(new Date(clock.wallNow()))]).toEqual([0, 2]);
  expect(stream.lastBefore(new Date(clock.wallNow() + 1))).toBe(3);
});

describe('what it loses', () => {
  test('deleted messages are holes: the ends stay, and no sequence is given again', () => {
    const { stream, held } = fixture('a', 'b', 'a', 'b');
    stream.delete(2, 4);
    expect(held()).toEqual([1, 3]);
    expect([stream.find(2), stream.find(3)?.sequence, stream.find(4)]).toEqual([undefined, 3, undefined]);
    const subjectOfB = eventOf('b').subject;
    expect(stream.lastSequenceOf(subjectOfB)).toBe(0);
    expect(stream.append(eventOf('b'))).toMatchObject({ sequence: 5 });
    expect(stream.lastSequenceOf(subjectOfB)).toBe(5);
  });

  test('a purge moves the first sequence', () => {
    const { stream, held } = fixture('a', 'a', 'a');
    stream.purge(2);
    expect([held(), stream.firstSequence, stream.lastSequence]).toEqual([[3], 3, 3]);
    stream.purge(3);
    expect([held(), stream.firstSequence, stream.lastSequence]).toEqual([[], 4, 3]);
  });

  test('a stream that is made again is empty, has another time and forgets ids', () => {
    const { stream, held } = fixture();
    const event = eventOf('a');
    stream.append(event);
    const before = stream.created;
    stream.remake();
    expect([held(), stream.lastSequence]).toEqual([[], 0]);
    expect(stream.created).not.toBe(before);
    expect(stream.append(event)).toEqual({ kind: 'stored', sequence: 1, duplicate: false });
  });

  test('a restored stream gives later sequences again, to messages of another time', () => {
    const { stream, held } = fixture('a', 'a', 'a');
    const { created } = stream;
    const before = stream.find(3)!.storedAtNs;
    stream.restore(2);
    expect([held(), stream.lastSequence, stream.created]).toEqual([[1, 2], 2, created]);
    expect(stream.append(eventOf('a'))).toMatchObject({ sequence: 3 });
    expect(stream.find(3)!.storedAtNs).not.toBe(before);
  });

  test('tells its watchers, until they stop watching', () => {
    const { stream } = fixture();
    const heard: string[] = [];
    const stop = stream.watch({ stored: () => heard.push('stored'), replaced: () => heard.push('replaced') });
    stream.append(eventOf('a'));
    stream.remake();
    stream.restore(0);
    stop();
    stream.append(eventOf('a'));
    expect(heard).toEqual(['stored', 'replaced', 'replaced']);
  });
});
