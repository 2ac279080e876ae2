import { expect, test } from '@jest/globals';
import { serverForAll } from '../../support/server.js';
import { stepsInSource } from '../harness/steps-in-source.js';
import { LAYOUT_STEP, STEPS } from './steps.js';
import { type Interruption, tellStory } from './story.js';

// One short path of `npm run test:faults -- --part repartition`. Needs `npm run build`: workers are built code.

const server = serverForAll();
const SHORT: readonly Omit<Interruption, 'server'>[] = [
  {
    ...{ from: 4, to: 8, by: 'command', fault: 'kill', step: 'repartition: position prepared', nth: 3 },
    leaseTtlMs: 6_000,
  },
  { from: 4, to: 8, by: 'command', fault: 'kill', step: 'drain: position marked', nth: 2 },
  { from: 8, to: 4, by: 'replica', fault: 'freeze', step: 'repartition: partition drained', nth: 2 },
  { from: 8, to: 4, by: 'command', step: 'repartition: position prepared', nth: 2, leasesLost: true },
];

test('every step that the source names has its story, and every story its step', () => {
  expect(Object.keys(STEPS).toSorted()).toEqual(stepsInSource(LAYOUT_STEP));
});

test('a command killed half-way, leases that vanish then, and a replica that sleeps through two changes: in order, none lost', async () => {
  const told = await Promise.all(SHORT.map((story) => tellStory({ ...story, server: server() })));
  expect(told.map(({ findings, stopped }) => ({ findings, stopped }))).toEqual(
    SHORT.map(() => ({ findings: [], stopped: true })),
  );
  // Only the command died, and no lease ended, so nothing at all came twice.
  expect(told[0]!.repeated).toBe(0);
}, 60_000);
