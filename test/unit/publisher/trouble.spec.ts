import { expect, test } from '@jest/globals';
import { fixture, stored } from './fake-publish-port.js';

const SLOW_AFTER_MS = 3_500;
const full = { kind: 'refused', errorCode: 10077, description: 'maximum messages exceeded' } as const;

test('an event that has had no outcome for long is trouble, until it has one', async () => {
  const { port, sequencer, publish, clock } = fixture();
  void publish('a', 1);
  await clock.advance(1_000);
  void publish('b', 1);
  await clock.advance(2_500);
  expect(sequencer.trouble(SLOW_AFTER_MS)).toBeUndefined();
  await clock.advance(100);
  expect(sequencer.trouble(SLOW_AFTER_MS)).toMatchObject({ forMs: 3_600 });
  port.answer('a:1', stored(1));
  expect(sequencer.trouble(SLOW_AFTER_MS)).toBeUndefined();
});

test('a refusal is trouble for a minute, and for four seconds once an event is stored', async () => {
  const { port, sequencer, publish, clock } = fixture();
  const refused = (id: string, n: number): void => {
    void publish(id, n);
    port.answer(`${id}:${n}`, { ...full, wrongSequence: false });
  };
  refused('a', 1);
  await clock.settle();
  expect(sequencer.trouble(SLOW_AFTER_MS)?.why).toContain('maximum messages exceeded');
  await clock.advance(59_000);
  expect(sequencer.trouble(SLOW_AFTER_MS)).toMatchObject({ forMs: 59_000 });
  refused('b', 1);
  void publish('c', 1);
  port.answer('c:1', stored(1));
  await clock.advance(3_900);
  expect(sequencer.trouble(SLOW_AFTER_MS)).toMatchObject({ forMs: 62_900 });
  await clock.advance(100);
  expect(sequencer.trouble(SLOW_AFTER_MS)).toBeUndefined();
  refused('d', 1);
  await clock.advance(60_000);
  expect(sequencer.trouble(SLOW_AFTER_MS)).toBeUndefined();
});

test('an unknown outcome is trouble from the moment its caller is told, until it is known', async () => {
  const { port, sequencer, publish, clock } = fixture({ giveUpAfterMs: 1_000 });
  const call = publish('a', 1);
  await clock.advance(1_200);
  expect(call.outcome).toBe('OUTCOME_UNKNOWN');
  expect(sequencer.trouble(SLOW_AFTER_MS)?.why).toContain('is unknown');
  port.answer('a:1', stored(1));
  expect(sequencer.trouble(SLOW_AFTER_MS)).toBeUndefined();
});
