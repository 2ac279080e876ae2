import { expect, test } from '@jest/globals';
import { Delivery } from '#library/message/delivery.js';
import { tokenOf } from '#library/message/subject.js';

function delivery(): Delivery {
  return new Delivery({
    subject: `orders.0.0.0.0.0.0.0.0.${tokenOf('order 1')}`,
    token: tokenOf('order 1'),
    sequence: 7,
    consumerSequence: 3,
    body: new Uint8Array(),
    readHeaders: () => ({}),
    readStoredAt: () => '',
  });
}

test('names its aggregate by the subject, even if its body cannot be read', () => {
  expect(delivery().aggregateId).toBe('order 1');
});

test('an abort reaches signals taken before it and after it, with its reason', () => {
  const [before, after] = [delivery(), delivery()];
  before.begin(1);
  after.begin(1);
  const early = before.signal;
  before.abort('why');
  after.abort('why');
  expect([early.reason, after.signal.reason, before.signal === early]).toEqual(['why', 'why', true]);
});

test('the first reason stays', () => {
  const event = delivery();
  event.begin(1);
  event.abort('first');
  event.abort('second');
  expect(event.signal.reason).toBe('first');
});

test('each attempt has its own number, start and signal', () => {
  const event = delivery();
  event.begin(10);
  const first = event.signal;
  event.abort('over');
  event.reportedStuck = true;
  event.begin(20);
  expect([event.attempt, event.startedAt, event.aborted, event.reportedStuck]).toEqual([2, 20, false, false]);
  expect([first.aborted, event.signal.aborted]).toEqual([true, false]);
});
