import { expect, test } from '@jest/globals';
import { bench, stored } from './fake-publish-port.js';

test('an event whose subject the user may not publish to is refused, with all behind it, and no other', async () => {
  const { port, sequencer, publish, clock } = bench();
  const [first, second] = [publish('a', 1), publish('a', 2)];
  const other = publish('b', 1);
  sequencer.denied('orders.a');
  sequencer.denied('orders.nobody');
  port.answer('b:1', stored(1));
  await clock.settle();
  expect([first.outcome, second.outcome, other.outcome]).toEqual([
    ...['PUBLISH_REJECTED', 'PREDECESSOR_REJECTED', 'stored'],
  ]);
  expect(first.error!.message).toMatch(/permission to publish to "orders\.a"/);
  expect(port.sentIds).toEqual(['a:1', 'b:1']);
});

test('an event that was sent before it was denied is looked up: its first copy may be stored', async () => {
  const { port, sequencer, publish, clock } = bench();
  const call = publish('a', 1);
  await clock.advance(2_100);
  expect(port.sentIds).toEqual(['a:1', 'a:1']);
  port.findStoredResult = () => Promise.resolve(7);
  sequencer.denied('orders.a');
  await clock.settle();
  expect(call.receipt).toEqual({ topic: 'orders', sequence: 7, duplicate: false });
});

test('an event that waits for its turn has nothing that could be denied', async () => {
  const { port, sequencer, publish, clock } = bench();
  port.disconnect();
  const call = publish('a', 1);
  sequencer.denied('orders.a');
  port.reconnect();
  port.answer('a:1', stored(1));
  await clock.settle();
  expect(call.outcome).toBe('stored');
});
