import { expect, test } from '@jest/globals';

interface Found {
  readonly overtaken: number;
  readonly atOnce: number;
  readonly repeated: number;
  readonly late: number;
  readonly missing: number;
}
/** JavaScript, which the compiler does not look into. */
const JUDGE = '../../../bench/peers/judge.js';
const { judge } = (await import(JUDGE)) as {
  judge: (lines: readonly string[], events: number) => Found;
};

const CLEAN: Found = { overtaken: 0, atOnce: 0, repeated: 0, late: 0, missing: 0 };

test.each<[what: string, events: number, lines: string[], found: Partial<Found>]>([
  ['order is kept', 2, ['begin a 1 p', 'end a 1 p', 'begin a 2 p', 'end a 2 p'], {}],
  [
    'a failed event is tried again in its place',
    1,
    ['begin a 1 p', 'fail a 1 p', 'begin a 1 p', 'end a 1 p'],
    {},
  ],
  ['keys run side by side', 2, ['begin a 1 p', 'begin b 1 p', 'end b 1 p', 'end a 1 p'], {}],
  [
    'an event overtakes one that has failed',
    2,
    ['begin a 1 p', 'fail a 1 p', 'begin a 2 p', 'end a 2 p', 'begin a 1 p', 'end a 1 p'],
    { overtaken: 1 },
  ],
  [
    'two events of a key run at once',
    2,
    ['begin a 1 p', 'begin a 2 p', 'end a 1 p', 'end a 2 p'],
    { atOnce: 1 },
  ],
  ['an event is never handled', 3, ['begin a 1 p', 'end a 1 p'], { missing: 2 }],
  ['an event comes again', 1, ['begin a 1 p', 'end a 1 p', 'begin a 1 q', 'end a 1 q'], { repeated: 1 }],
  ['a killed process runs nothing any more', 1, ['begin a 1 p', 'stopped p', 'begin a 1 q', 'end a 1 q'], {}],
  [
    'a process that slept ends what another one has handled',
    1,
    ['begin a 1 p', 'stopped p', 'begin a 1 q', 'end a 1 q', 'end a 1 p'],
    { late: 1 },
  ],
])('the judge of other transports: %s', (_what, events, lines, found) => {
  expect(judge(lines, events)).toEqual({ ...CLEAN, ...found });
});
