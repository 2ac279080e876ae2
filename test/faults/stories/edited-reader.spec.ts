import { expect, test } from '@jest/globals';
import { tellEditedReader } from './edited-reader.js';
import { GOOD, outcomeOf } from './tell.js';

// Needs `npm run build`: workers are built code.

test('what an edited reader passed over is handled, once and in order', async () => {
  expect(outcomeOf(await tellEditedReader({ serverVersion: '2.15' }))).toEqual(GOOD);
}, 60_000);
