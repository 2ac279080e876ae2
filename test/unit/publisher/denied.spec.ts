import { expect, test } from '@jest/globals';
import type { PublishRejectedError } from '#library/publisher/publish-errors.js';
import { fixture, stored } from './fake-publish-port.js';

test('rejects a denied event and the events queued after it, and no other aggregate', async () => {
  const { port, sequencer, publish, clock } = fixture();
  const [first, second] = [publish('a', 1), publish('a', 2)];
  const other = publish('b', 1);
  sequencer.denied('orders.a');
  sequencer.denied('orders.unknown');
  port.answer('b:1', stored(1));
  await clock.settle();
  expect([first.outcome, second.outcome, other.outcome]).toEqual([
    ...['PUBLISH_REJECTED', 'PREDECESSOR_REJECTED', 'stored'],
  ]);
  expect(first.error!.message).toMatch(/permission to publish to "orders\.a"/);
  // With the permission it would be stored.
  expect((first.error as PublishRejectedError).isForNow).toBe(true);
  expect(port.sentIds).toEqual(['a:1', 'b:1']);
});

test('looks up a denied event that was sent more than once: its first copy may be stored', async () => {
  const { port, sequencer, publish, clock } = fixture();
  const call = publish('a', 1);
  await clock.advance(2_100);
  expect(port.sentIds).toEqual(['a:1', 'a:1']);
  port.findStoredResult = () => Promise.resolve(7);
  sequencer.denied('orders.a');
  await clock.settle();
  expect(call.receipt).toEqual({ topic: 'orders', sequence: 7, duplicate: false });
});

test('ignores a denial while the event was not sent', async () => {
  const { port, sequencer, publish, clock } = fixture();
  port.disconnect();
  const call = publish('a', 1);
  sequencer.denied('orders.a');
  port.reconnect();
  port.answer('a:1', stored(1));
  await clock.settle();
  expect(call.outcome).toBe('stored');
});
