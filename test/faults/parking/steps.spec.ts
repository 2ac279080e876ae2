import { beforeAll, describe, expect, test } from '@jest/globals';
import { serverForAll } from '../../support/server.js';
import { interruptAt, type Interrupted, type Interruption } from './interrupt.js';
import { stepsInSource } from '../harness/steps-in-source.js';
import { PARKING_STEP, STEPS } from './steps.js';

// Every step of park, divert, retry and unpark is the last one of its owner once. Needs `npm run build`: workers are
// built code.

const server = serverForAll();
const AT_ONCE = 7;
const steps = Object.keys(STEPS);
/** An owner that sleeps through its lease; what it does with letters that are there is judged by the seeds. */
const parkSteps = steps.filter((step) => /^park:/.test(step));

type Fault = Interruption['fault'];
const results = new Map<string, Interrupted>();

/** Most of a story is waiting for a lease to end, so several are told at once. */
beforeAll(async () => {
  const stories: [Fault, string][] = [
    ...steps.map((step): [Fault, string] => ['kill', step]),
    ...parkSteps.map((step): [Fault, string] => ['freeze', step]),
  ];
  const tell = async (): Promise<void> => {
    for (let story = stories.shift(); story !== undefined; story = stories.shift()) {
      const [fault, step] = story;
      results.set(`${fault} ${step}`, await interruptAt({ server: server(), step, fault }));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, tell));
}, 180_000);

test('every step that the source names has its story, and every story its step', () => {
  expect(steps.toSorted()).toEqual(stepsInSource(PARKING_STEP));
});

function expectGood(result: Interrupted | undefined): void {
  expect(result?.stopped).toBe(true);
  expect(result?.findings).toEqual([]);
}

describe('an owner that is killed leaves all letters whole, in order and once, at the step', () => {
  test.each(steps)('%s', (step) => expectGood(results.get(`kill ${step}`)));
});

describe('an owner that sleeps through its lease changes nothing when it wakes, at the step', () => {
  test.each(parkSteps)('%s', (step) => expectGood(results.get(`freeze ${step}`)));
});
