import { afterEach, expect, jest, test } from '@jest/globals';
import type { Failure } from '#library/consumer/handling/outcome.js';
import type { SabotagedRule } from '#library/sabotage.js';
import { ParkedServer } from '../../parking/fake-parked-port.js';
import { eventOf } from './deliveries.js';

// A process owns a partition, loses it while a handler hangs, and owns it again. Found by the fault runs, seed 910000.

const sabotage: { rule: SabotagedRule | undefined } = { rule: undefined };
jest.unstable_mockModule('#sabotage', () => ({
  isSabotaged: (rule: SabotagedRule) => rule === sabotage.rule,
  reached: () => undefined,
}));
const { LanesFixture } = await import('./lanes-fixture.js');

afterEach(() => {
  sabotage.rule = undefined;
});

/** Sequences in the order in which their handlers start. No commit says that 1 and 2 are settled. */
async function ownedAgain(): Promise<{ started: number[]; letters: number[] }> {
  const started: number[] = [];
  let release: (failure?: Failure) => void = () => undefined;
  let hangs = true;
  const server = new ParkedServer();
  const fixture = new LanesFixture({
    server,
    maxAckPending: 8,
    handle: ({ sequence }) => {
      started.push(sequence);
      if (sequence !== 3 || !hangs) return Promise.resolve(undefined);
      return new Promise((resolve) => (release = resolve));
    },
  });
  await fixture.takeOver();
  for (const sequence of [1, 2, 3]) fixture.takeIn(eventOf('a', sequence));
  await fixture.clock.settle(20);
  fixture.disown();
  fixture.own(2);
  await fixture.takeOver();
  for (const sequence of [1, 2, 3, 4]) fixture.takeIn(eventOf('a', sequence));
  await fixture.clock.settle(20);
  await fixture.clock.advance(1_400);
  const letters = server.letters('a').map(({ note }) => note.sequence);
  hangs = false;
  release();
  await fixture.clock.advance(500);
  expect([server.markers(), server.letters('a')]).toEqual([[], []]);
  fixture.close();
  return { started, letters };
}

test('what came again behind a hanging handler of an earlier tenure is handled from its first event on', async () => {
  expect(await ownedAgain()).toEqual({ started: [1, 2, 3, 1, 2, 3, 4], letters: [1, 2, 3, 4] });
});

test('is seen to skip some with head-of-any-tenure', async () => {
  sabotage.rule = 'head-of-any-tenure';
  expect(await ownedAgain()).toEqual({ started: [1, 2, 3, 3, 4], letters: [3, 4] });
});
