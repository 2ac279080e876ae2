import { expect, test } from '@jest/globals';
import { NO_RESPONDERS, type ServerAnswer } from '#library/publisher/server-answer.js';
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
  expect(sequencer.trouble(SLOW_AFTER_MS)).toEqual({
    forMs: 3_600,
    why: 'an event was sent 3600 ms ago and is not stored yet; no server has answered',
  });
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

const TEMPORARY: readonly [ServerAnswer, string][] = [
  [
    { kind: 'unavailable', errorCode: 10023, description: 'insufficient resources', refusal: 'absent' },
    '10023: insufficient resources',
  ],
  [NO_RESPONDERS, 'no stream has this subject, or the stream has no leader'],
];

test.each(TEMPORARY)(
  'an event that waits tells the last temporary answer of the server: %j',
  async (answer, text) => {
    const { port, sequencer, publish, clock } = fixture();
    void publish('a', 1);
    port.answer('a:1', answer);
    await clock.advance(3_600);
    expect(sequencer.trouble(SLOW_AFTER_MS)?.why).toMatch(
      new RegExp(`^an event was sent \\d+ ms ago and is not stored yet; the last answer: .*${text}`),
    );
  },
);

test('an unknown outcome tells the last answer, too', async () => {
  const { port, sequencer, publish, clock } = fixture({ giveUpAfterMs: 1_000 });
  const call = publish('a', 1);
  port.answer('a:1', { kind: 'unavailable', errorCode: 10008, description: 'temporarily unavailable' });
  await clock.advance(1_200);
  expect(call.outcome).toBe('OUTCOME_UNKNOWN');
  expect(sequencer.trouble(SLOW_AFTER_MS)?.why).toContain('the last answer: 10008: temporarily unavailable');
});
