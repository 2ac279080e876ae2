import { describe, expect, test } from '@jest/globals';
import { type EventHandler, EventHandlers } from '#library/consumer/handling/event-handlers.js';
import { HandlerCalls } from '#library/consumer/handling/handler-calls.js';
import type { Failure } from '#library/consumer/handling/outcome.js';
import { type Codec, jsonCodec } from '#library/message/codec.js';
import { Delivery } from '#library/message/delivery.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { hostileErrors, NONSENSE } from '../../../support/hostile.js';
import { deliveryOf, eventOf, recordedLog } from './deliveries.js';

function fixture(handle: EventHandler['handle'] = () => undefined, codec: Codec = jsonCodec) {
  const clock = new ManualClock(1_000);
  const log = recordedLog();
  const handlers = new EventHandlers();
  const policy = {
    retry: { attempts: 1, firstDelayMs: 1, factor: 1, maxDelayMs: 1, jitter: 0 },
    onExhausted: 'park' as const,
  };
  const handler: EventHandler = { failurePolicy: policy, timeoutMs: 1_000, handle };
  handlers.add('Counted', handler);
  const stuck: [sequence: number, ageMs: number][] = [];
  const calls = new HandlerCalls({
    ...{ name: 'orders/billing/0', topic: 'orders', codec, handlers, clock, log },
    listener: { stuck: ({ sequence }, ageMs) => void stuck.push([sequence, ageMs]) },
  });
  return { clock, log, calls, handler, stuck };
}

describe('decode', () => {
  test('fills in the envelope once, however often it is asked', () => {
    let decoded = 0;
    const codec: Codec = {
      ...jsonCodec,
      decode: (body) => {
        decoded++;
        return jsonCodec.decode(body);
      },
    };
    const { calls } = fixture(undefined, codec);
    const event = eventOf('a', 1);
    expect([calls.decode(event), calls.decode(event), decoded]).toEqual([undefined, undefined, 1]);
    expect(event.envelope?.payload).toEqual({ n: 1 });
  });

  test('says why it is impossible, each time, and that no retry can help', () => {
    const { calls } = fixture();
    const event = deliveryOf();
    for (let n = 0; n < 2; n++) {
      expect(calls.decode(event)).toMatchObject({ stage: 'decode', unrecoverable: true });
    }
    expect(event.envelope).toBeUndefined();
  });

  test('refuses what a codec answers if it is no envelope, can be read only once, or comes later', async () => {
    for (const answer of [...NONSENSE.map((make) => make()), ...hostileErrors()]) {
      const { calls } = fixture(undefined, { ...jsonCodec, decode: () => answer });
      const event = eventOf('a', 1);
      expect(calls.decode(event)).toMatchObject({ stage: 'decode', unrecoverable: true });
    }
    // A rejection that is not heard would end the process in a later turn.
    await new ManualClock().settle();
  });

  test('reads each field of a decoded body once', () => {
    let reads = 0;
    const decode = (body: Uint8Array): unknown => {
      const decoded = jsonCodec.decode(body) as Record<string, unknown>;
      const type = decoded['event_type'];
      return Object.defineProperty(decoded, 'event_type', {
        get: () => {
          if (++reads > 1) throw new Error('read twice');
          return type;
        },
      });
    };
    const { calls, handler } = fixture(undefined, { ...jsonCodec, decode });
    const event = eventOf('a', 1);
    expect(calls.decode(event)).toBeUndefined();
    expect(calls.find(event)).toBe(handler);
    expect(calls.nameOf(event)).toContain('Counted of aggregate "a"');
  });

  test('names an event under a subject that no aggregate has', () => {
    const { calls } = fixture();
    const { origin } = eventOf('a', 1);
    const foreign = new Delivery({ ...origin, subject: 'orders.0.0.a' });
    expect(calls.decode(foreign)).toMatchObject({ stage: 'decode', isNobodys: true });
  });
});

describe('find', () => {
  test('gives the handler of the type, and counts, logs and decodes nothing', () => {
    const { calls, handler, log } = fixture();
    const [known, other] = [eventOf('a', 1), eventOf('a', 2, 'Shipped')];
    expect(calls.find(known)).toBeUndefined();
    calls.decode(known);
    calls.decode(other);
    expect([calls.find(known), calls.find(other)]).toEqual([handler, undefined]);
    expect([log.lines, known.attempt]).toEqual([[], 0]);
  });
});

describe('running handlers', () => {
  test('are those that have not settled, the one that is being called included', async () => {
    const seen: number[][] = [];
    let end: (failure: Failure | undefined) => void = () => undefined;
    const { calls, handler } = fixture(() => {
      seen.push([...calls.running()].map(({ sequence }) => sequence));
      return new Promise((resolve) => (end = resolve));
    });
    const event = eventOf('a', 1);
    const ended = calls.start(event, handler);
    expect([seen, [...calls.running()]]).toEqual([[[1]], [event]]);
    end(undefined);
    await ended;
    calls.noteEnded(event);
    expect([...calls.running()]).toEqual([]);
  });

  test('are aborted after their time, and reported as stuck once after twice their time', async () => {
    const { calls, handler, clock, stuck, log } = fixture(() => new Promise(() => undefined));
    const event = eventOf('a', 1);
    event.begin(clock.now());
    void calls.start(event, handler);
    await clock.advance(1_100);
    expect([event.aborted, stuck]).toEqual([true, []]);
    await clock.advance(5_000);
    expect(stuck).toHaveLength(1);
    expect(log.lines.map((line) => line.split(' ')[0])).toEqual(['warn', 'error']);
    calls.close();
    expect(clock.pendingTimers).toBe(0);
  });
});
