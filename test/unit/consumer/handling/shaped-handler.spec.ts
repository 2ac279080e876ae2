import { expect, test } from '@jest/globals';
import type { EventHandler } from '#library/consumer/handling/event-handlers.js';
import { ShapedHandler } from '#library/consumer/handling/shaped-handler.js';
import { HandlerCalls } from '#library/consumer/handling/handler-calls.js';
import { EventHandlers } from '#library/consumer/handling/event-handlers.js';
import { jsonCodec } from '#library/message/codec.js';
import type { Delivery } from '#library/message/delivery.js';
import { defineTopic, type } from '#library/message/shapes/define-topic.js';
import { shapesOf, type Upcaster } from '#library/message/shapes/topic-shapes.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { eventOf, recordedLog } from './deliveries.js';

const FAILURE_POLICY = {
  retry: { attempts: 1, firstDelayMs: 1, factor: 1, maxDelayMs: 1, jitter: 0 },
  onExhausted: 'park',
} as const;

/** A handler that notes the payloads it is called with, under a lease that the test can take away. */
function worldOf(upcast: Upcaster) {
  const called: unknown[] = [];
  const lease = { epoch: 1, isValid: (): boolean => true };
  const handler: EventHandler = {
    failurePolicy: FAILURE_POLICY,
    timeoutMs: 1_000,
    handle: (event) => void called.push(event.envelope?.payload),
    batches: { size: 9, handleAll: (events) => void called.push(events.map((one) => one.envelope?.payload)) },
  };
  const orders = defineTopic('orders', {
    Counted: { version: 2, schema: type<unknown>(), upcast: { 1: upcast } },
  });
  const shaped = new ShapedHandler(handler, shapesOf(orders)!, lease);
  return { called, lease, shaped };
}

const calls = new HandlerCalls({
  ...{ name: 't', topic: 'orders', codec: jsonCodec, handlers: new EventHandlers(), log: recordedLog() },
  ...{ clock: new ManualClock(), listener: { stuck: () => undefined } },
});

function decoded(sequence: number): Delivery {
  const event = eventOf('a', sequence);
  expect(calls.decode(event)).toBeUndefined();
  return event;
}

test('calls the handler at once if its shapes answer at once, and shapes an event once', () => {
  let count = 0;
  const { called, shaped } = worldOf(({ n }: { n: number }) => (count++, { twice: 2 * n }));
  const event = decoded(3);
  expect(shaped.handle(event)).toBeUndefined();
  expect(shaped.handle(event)).toBeUndefined();
  expect(called).toEqual([{ twice: 6 }, { twice: 6 }]);
  expect(count).toBe(1);
  // A letter is made of the bytes, which are as they were.
  expect(event.envelope?.event_version).toBe(2);
  expect(jsonCodec.decode(event.origin.body)).toMatchObject({ event_version: 1, payload: { n: 3 } });
});

test.each(['ended', 'of another owner'])(
  'does not start the handler under a lease that is %s by then',
  async (how) => {
    let release: (value: unknown) => void = () => undefined;
    const answer = new Promise((resolve) => (release = resolve));
    const { called, lease, shaped } = worldOf(() => answer);
    const runs = [shaped.handle(decoded(1)), shaped.batches!.handleAll([decoded(2), decoded(3)])];
    if (how === 'ended') lease.isValid = () => false;
    else lease.epoch++;
    release({});
    for (const run of runs)
      expect(await run).toMatchObject({ stage: 'handler', error: { code: 'LEASE_LOST' } });
    expect(called).toEqual([]);
  },
);

test('of a batch waits for all, and fails as the first that fails', async () => {
  const { called, shaped } = worldOf(async ({ n }: { n: number }) => {
    await Promise.resolve();
    if (n > 1) throw new Error(`no ${n}`);
    return n;
  });
  const failure = await shaped.batches!.handleAll([decoded(1), decoded(2), decoded(3)]);
  expect(failure).toMatchObject({ stage: 'shape', unrecoverable: true, error: { code: 'PAYLOAD_INVALID' } });
  expect((failure!.error as Error).message).toContain('no 2');
  expect(called).toEqual([]);
});
