import { expect, test } from '@jest/globals';
import { tellShrinkingWindow } from './shrinking-window.js';
import { GOOD, outcomeOf } from './tell.js';

// Needs `npm run build`: workers are built code.

test('an owner with a smaller window looks for a killer among all that its predecessors had started', async () => {
  expect(outcomeOf(await tellShrinkingWindow({ serverVersion: '2.15' }))).toEqual(GOOD);
}, 60_000);
