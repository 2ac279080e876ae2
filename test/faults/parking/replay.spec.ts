import { beforeAll, describe, expect, test } from '@jest/globals';
import { serverForAll } from '../../support/server.js';
import { stepsInSource } from '../harness/steps-in-source.js';
import { REPLAY_STEP, REPLAY_STEPS, type ReplayStory, tellReplay, type ToldReplay } from './replay-story.js';

// The owner is stopped at each step of the replay of one aggregate, under load. Needs `npm run build`: workers are
// built code.

const server = serverForAll();
const AT_ONCE = 6;
const told = new Map<string, ToldReplay>();
const stories: readonly Omit<ReplayStory, 'server'>[] = [
  ...REPLAY_STEPS.map((step) => ({ step, fault: 'kill' as const })),
  ...REPLAY_STEPS.map((step) => ({ step, fault: 'freeze' as const })),
  { step: 'replay: begun', fault: 'kill', isParked: true },
  { step: 'replay: event handled', fault: 'kill', isParked: true, nth: 5 },
];

function nameOf({ step, fault, isParked, nth }: Omit<ReplayStory, 'server'>): string {
  return `${fault} at ${step}${nth === undefined ? '' : ` ${nth}`}${isParked === true ? ', parked' : ''}`;
}

beforeAll(async () => {
  const left = [...stories];
  const tell = async (): Promise<void> => {
    for (let story = left.shift(); story !== undefined; story = left.shift())
      told.set(nameOf(story), await tellReplay({ server: server(), ...story }));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, tell));
}, 240_000);

test('every step that the source names has its story', () => {
  expect(REPLAY_STEPS.toSorted()).toEqual(stepsInSource(REPLAY_STEP));
});

describe('an owner that is stopped while it replays an aggregate leaves all in order, and nothing out', () => {
  test.each(stories.map(nameOf))('%s', (name) => {
    expect(told.get(name)?.findings).toEqual([]);
    expect(told.get(name)?.stopped).toBe(true);
  });
});
