import { expect, test } from '@jest/globals';
import { tellLateCommits } from './late-commits.js';
import { GOOD, outcomeOf } from './tell.js';

// Needs `npm run build`: workers are built code.

test('a position that arrives after its owner was followed counts for nothing', async () => {
  expect(outcomeOf(await tellLateCommits({ serverVersion: '2.15' }))).toEqual(GOOD);
}, 60_000);
