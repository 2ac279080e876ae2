import { expect, test } from '@jest/globals';
import { CatchUp, type CatchUpLook } from '#library/operating/groups/catch-up.js';

const LOOK: CatchUpLook = {
  ...{ at: 0, condition: 'living', owned: 4, partitions: 4 },
  ...{ lag: 0, stored: 100, oldest: undefined, parked: 0, aside: [] },
};

function catchUp(
  bounds: { maxLag?: number; maxParked?: number } = {},
): (look: Partial<CatchUpLook>) => readonly string[] {
  const judge = new CatchUp({ withinMs: 10_000, maxLag: undefined, maxParked: 0, ...bounds });
  return (look) => judge.judge({ ...LOOK, ...look });
}

test('nothing left at the first look is caught up', () => {
  expect(catchUp()({})).toEqual([]);
  // Stored while it was looked at.
  expect(catchUp()({ lag: 3, oldest: 101 })).toEqual([]);
});

test('one event that was stored before the first look is waited for, however small the lag', () => {
  const judge = catchUp();
  for (const at of [0, 1_000, 60_000])
    expect(judge({ at, lag: 1, oldest: 100, stored: 100 + at })).toEqual([
      'events that were stored before this command are left',
    ]);
});

test('under load it ends when what was stored ten seconds ago is settled, and not before', () => {
  const judge = catchUp();
  judge({ lag: 50, oldest: 1 });
  // What was there at first is settled, and so much was stored since that the group is 20 s behind.
  for (let at = 1_000; at <= 30_000; at += 1_000) judge({ at, lag: 50, oldest: 1, stored: 100 + at });
  expect(judge({ at: 31_000, lag: 20_000, oldest: 11_150, stored: 31_100 })).toEqual([
    'events that were stored 10000 ms ago are left',
  ]);
  expect(judge({ at: 32_000, lag: 9_000, oldest: 23_150, stored: 32_100 })).toEqual([]);
});

test('a stream that was made again is counted from its beginning', () => {
  const judge = catchUp();
  judge({ lag: 90, oldest: 11 });
  expect(judge({ at: 1_000, lag: 1, oldest: 5, stored: 5 })).not.toEqual([]);
  expect(judge({ at: 2_000, lag: 1, oldest: 6, stored: 6 })).toEqual([]);
});

test.each<[string, Partial<CatchUpLook>, string]>([
  ['a change', { condition: 'changing' }, 'a change of the group is under way'],
  ['a lost record', { condition: 'lost' }, 'its record is lost: restore it, or run group reset'],
  ['a lag that is not told', { lag: undefined }, 'the server does not tell its lag'],
  ['no owner', { owned: 0, lag: 1, oldest: 1 }, 'no process owns a partition of it: start its service'],
  [
    'what comes back by itself',
    { parked: 1, aside: [{ aggregateId: 'a', state: 'diverted' }] },
    '1 aggregate whose events wait as letters: a (diverted)',
  ],
  [
    'what an operator has to retry',
    { parked: 7, aside: [{ aggregateId: 'a', state: 'parked' }] },
    '7 aggregates whose events wait as letters: a (parked) and 6 more; see parked list, then parked retry, or pass ' +
      '--max-parked 7',
  ],
])('%s is waited for', (_, look, text) => {
  expect(catchUp()(look)[0]).toBe(text);
});

test('bounds that are asked for: so few events, so many parked', () => {
  expect(catchUp({ maxLag: 5 })({ lag: 6, oldest: 101 })).toEqual(['6 events of at most 5 are left']);
  expect(catchUp({ maxLag: 5 })({ lag: 5, oldest: 101 })).toEqual([]);
  expect(catchUp({ maxParked: 1 })({ parked: 1, aside: [{ aggregateId: 'a', state: 'parked' }] })).toEqual(
    [],
  );
});
