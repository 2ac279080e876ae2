import { expect, test } from '@jest/globals';
import { tellSkippingReader, tellSlowReturn } from './placeholders.js';
import { GOOD, outcomeOf } from './tell.js';

// Needs `npm run build`: workers are built code.

test('an owner that dies before it has seen all unsettled events again leaves none of them out', async () => {
  expect(outcomeOf(await tellSlowReturn({ serverVersion: '2.15' }))).toEqual(GOOD);
}, 60_000);

test('unsettled events that a reader skips are handled before what comes after them', async () => {
  expect(outcomeOf(await tellSkippingReader({ serverVersion: '2.15' }))).toEqual(GOOD);
}, 60_000);
