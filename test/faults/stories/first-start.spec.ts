import { expect, test } from '@jest/globals';
import { killFirstStart } from './first-start.js';
import { GOOD, outcomeOf } from './tell.js';

// Needs `npm run build`: workers are built code.

test.each([
  'start: group record made',
  'lease: taken',
  'claim: position claimed#3',
  'claim: position claimed#8',
])(
  'a group that begins with new events loses none when its first start dies at "%s"',
  async (step) => {
    expect(outcomeOf(await killFirstStart(step, { serverVersion: '2.15' }))).toEqual(GOOD);
  },
  60_000,
);
