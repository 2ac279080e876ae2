import { expect, test } from '@jest/globals';
import { serverForAll } from '../../support/server.js';
import { stepsInSource } from '../harness/steps-in-source.js';
import { DEAF_SLEEPER } from './run.js';
import { DELETE_STEPS, OWN_STEP, REPAIR_STEPS, RESET_STEPS } from './steps.js';
import { type Interruption, tellStory } from './story.js';

// One short path of `npm run test:faults -- --part resets`. Needs `npm run build`: workers are built code.

const server = serverForAll();
type Story = Omit<Interruption, 'server'>;
const SHORT: readonly Story[] = [
  { deed: 'reset to start', by: 'replica', fault: 'kill', step: 'adopt: letter removed', nth: 2 },
  { deed: 'reset to time', by: 'command', fault: 'freeze', step: 'repartition: switched' },
  { deed: 'delete', by: 'command', fault: 'freeze', step: 'delete: replicas gone' },
  DEAF_SLEEPER,
];

test('every step of their own that the source names has its story, and every story its step', () => {
  const repairs = Object.values(REPAIR_STEPS).flat();
  const told = [...Object.keys(RESET_STEPS), ...Object.keys(DELETE_STEPS), ...repairs].filter((step) =>
    OWN_STEP.test(step),
  );
  expect([...new Set(told)].toSorted()).toEqual(stepsInSource(OWN_STEP));
});

test('an owner that dies between two letters, commands that sleep, and a replica that sleeps through a deletion', async () => {
  const told = await Promise.all(SHORT.map((story) => tellStory({ ...story, server: server() })));
  expect(told.map(({ findings, stopped }) => ({ findings, stopped }))).toEqual(
    SHORT.map(() => ({ findings: [], stopped: true })),
  );
}, 90_000);
