import { describe, expect, test } from '@jest/globals';
import { parseTarget } from '#library/cli/group/reset-target.js';
import { checkTarget, resolveTarget, type ResetTo } from '#library/operating/groups/reset-target.js';
import { GroupKeys } from '../consumer/repartition/group-keys.js';
import { CREATED } from '../consumer/repartition/positions.js';

describe('--to', () => {
  test.each([
    ['start', undefined, 'start'],
    ['end', undefined, 'end'],
    ['sequence:7', undefined, { sequence: 7 }],
    ['sequence', '7', { sequence: 7 }],
    ['time:2026-01-31T12:00:00Z', undefined, { time: new Date('2026-01-31T12:00:00Z') }],
    ['time', '2026-01-31', { time: new Date('2026-01-31') }],
  ])('reads %s %s', (to, next, expected) => {
    expect(parseTarget(to, next)).toEqual(expected);
  });

  test.each([
    [undefined, undefined, 'expected --to start, end, sequence:N or time:ISO-TIME'],
    ['begin', undefined, 'found "begin"'],
    ['start', '7', 'found "start 7"'],
    ['start:7', undefined, 'found "start:7"'],
    ['sequence', undefined, 'a whole number above 0, found ""'],
    ['sequence:0', undefined, 'found "0"'],
    ['sequence:1.5', undefined, 'found "1.5"'],
    ['sequence:7', '8', 'expected nothing after --to sequence:7, found "8"'],
    ['time:soon', undefined, 'found "soon"'],
  ])('refuses %s %s', (to, next, text) => {
    expect(() => parseTarget(to, next)).toThrow(text);
  });
});

describe('a target', () => {
  const keys = new GroupKeys();
  keys.state = { created: CREATED, firstSequence: 11, lastSequence: 100, isRestored: false };
  keys.lastBefore = (time: Date) => Promise.resolve(time.getTime() === 0 ? 0 : 40);

  test.each([
    ['the first event of the stream', 'start', 10, undefined],
    ['after its last event', 'end', 100, undefined],
    ['a sequence, which is handled first', 'sequence:50', 49, undefined],
    ['the next sequence of the stream', 'sequence:101', 100, undefined],
    ['a sequence that retention has removed', 'sequence:3', 10, 3],
    ['a time', 'time:2026-01-31', 40, undefined],
    ['a time before the first event', 'time:1970-01-01', 10, undefined],
  ])('is %s', async (_, to, sequence, removedFrom) => {
    const resolved = await resolveTarget(keys, parseTarget(to));
    expect(resolved).toEqual({ start: { sequence, created: CREATED }, removedFrom, first: 11, last: 100 });
  });

  test('above the next sequence is refused: an owner would wait for a stream that went back', async () => {
    await expect(resolveTarget(keys, parseTarget('sequence:102'))).rejects.toThrow(
      'expected a sequence up to 101, the next one of the stream, found 102',
    );
  });

  test.each([
    'begin',
    undefined,
    {},
    { sequence: 0 },
    { sequence: 1, time: new Date() },
    { time: new Date('soon') },
    { time: '2026-01-31' },
  ])('is refused as %j before a server is asked', (to) => {
    expect(() => checkTarget(to as ResetTo)).toThrow('expected "to" to be');
  });

  test.each(['start', 'end', { sequence: 1 }, { time: new Date(0) }] as const)('may be %j', (to) => {
    expect(() => checkTarget(to)).not.toThrow();
  });
});
