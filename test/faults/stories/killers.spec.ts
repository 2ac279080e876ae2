import { expect, test } from '@jest/globals';
import { tellAloneTurns, tellDistantKiller } from './killers.js';
import { GOOD, outcomeOf } from './tell.js';

// Needs `npm run build`: workers are built code.

test('suspects of two partitions of one process take turns: a slow one is not blamed', async () => {
  expect(outcomeOf(await tellAloneTurns({ serverVersion: '2.15' }))).toEqual(GOOD);
}, 150_000);

test('a killer that only the first of its owners had room for is found by owners with less room', async () => {
  expect(outcomeOf(await tellDistantKiller({ serverVersion: '2.15' }))).toEqual(GOOD);
}, 150_000);
