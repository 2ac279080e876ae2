import { expect, test } from '@jest/globals';
import { stepsInSource } from '../harness/steps-in-source.js';
import { OWNER_STEP, OWNER_STEPS, stopOwnerAt } from './owner-steps.js';
import { GOOD, outcomeOf } from './tell.js';

// Needs `npm run build`: workers are built code.

const steps = Object.keys(OWNER_STEPS);

test('every step of an owner that the source names has its story, and every story its step', () => {
  expect(steps.toSorted()).toEqual(stepsInSource(OWNER_STEP));
});

test.each(steps)(
  'keeps every promise when the owner is killed at "%s"',
  async (step) => {
    expect(outcomeOf(await stopOwnerAt(step, 'kill', { serverVersion: '2.15' }))).toEqual(GOOD);
  },
  60_000,
);

test.each(['claim: position claimed', 'commit: written'])(
  'keeps every promise when the owner sleeps through its lease at "%s"',
  async (step) => {
    expect(outcomeOf(await stopOwnerAt(step, 'freeze', { serverVersion: '2.15' }))).toEqual(GOOD);
  },
  60_000,
);
