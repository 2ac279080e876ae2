import { describe, expect, test } from '@jest/globals';
import { NEXT } from '#library/executor/keyed-executor.js';
import type { Delivery } from '#library/message/delivery.js';
import { deliveryOf } from './deliveries.js';

import { eventOf, failure, fixture, policy } from './attempts-fixture.js';
describe('a handler that takes several events at once', () => {
  /** Events of one lane, linked as the lane links them. */
  function laneOf(...events: Delivery[]): Delivery {
    events.forEach((event, index) => (event.next = events[index + 1]));
    return events[0]!;
  }
  const placed = (count: number): Delivery[] =>
    Array.from({ length: count }, (_, index) => eventOf('Placed', 7 + index));
  const sequencesOf = (events: readonly Delivery[]): number[] => events.map(({ sequence }) => sequence);

  test('gets the next events of the lane, up to its size, and all of them are settled', async () => {
    for (const failed of [() => undefined, () => Promise.resolve(undefined)]) {
      const calls: number[][] = [];
      const { attempts, handled, measured } = fixture({
        handleAll: (events) => {
          calls.push(sequencesOf(events));
          return failed();
        },
      });
      const head = laneOf(...placed(4));
      expect(attempts.spanOf(head)).toBe(3);
      expect(await attempts.run(head, 3)).toBe(NEXT);
      expect([calls, handled, attempts.counts.handled]).toEqual([[[7, 8, 9]], [7, 8, 9], 3]);
      expect(measured).toHaveLength(1);
    }
  });

  test.each<[string, (events: Delivery[]) => void]>([
    ['one of another type', (events) => events.splice(1, 1, eventOf('Shipped', 8))],
    [
      'one that cannot be decoded',
      (events) => events.splice(1, 1, deliveryOf({ body: Buffer.from('{'), sequence: 8 })),
    ],
    ['one that was tried before', (events) => events[1]!.begin(0)],
  ])('never gets events from %s on', (_what, change) => {
    const { attempts } = fixture({ handleAll: () => undefined });
    const events = placed(3);
    change(events);
    expect(attempts.spanOf(laneOf(...events))).toBe(1);
  });

  test('begins no batch with a head that was tried before', () => {
    const { attempts } = fixture({ handleAll: () => undefined });
    const [head, ...rest] = placed(3);
    head!.begin(0);
    expect(attempts.spanOf(laneOf(head!, ...rest))).toBe(1);
  });

  test('that fails gets each event again alone, at once, and no attempt alone is taken from the culprit', async () => {
    const calls: number[][] = [];
    const once = { ...policy, retry: { ...policy.retry, attempts: 1 } };
    const { attempts, handled, log, notices } = fixture({
      handlerPolicy: { ...once, onExhausted: 'park' },
      handleAll: (events) => {
        calls.push(sequencesOf(events));
        return events.some(({ sequence }) => sequence === 8) ? failure() : undefined;
      },
    });
    const events = placed(3);
    const head = laneOf(...events);
    expect(await attempts.run(head, attempts.spanOf(head))).toBe(0);
    expect([handled, notices]).toEqual([[], []]);
    expect(log.lines).toEqual([
      expect.stringContaining('the 2 events after it failed together in their handler'),
    ]);
    for (const event of events) {
      expect(attempts.spanOf(event)).toBe(1);
      expect(await attempts.run(event, 1)).toBe(NEXT);
    }
    expect(calls).toEqual([[7, 8, 9], [7], [8], [9]]);
    expect([handled, notices.map(([sequence]) => sequence)]).toEqual([[7, 8, 9], [8]]);
  });

  test('is told to give up for all its events when its time is over', async () => {
    const { attempts, clock } = fixture({ handleAll: () => new Promise(() => undefined) });
    const events = placed(3);
    const head = laneOf(...events);
    void attempts.run(head, attempts.spanOf(head));
    await clock.advance(1_100);
    expect(events.map(({ aborted }) => aborted)).toEqual([true, true, true]);
  });

  test('settles nothing if the lease was lost while it ran', async () => {
    let isCurrent = true;
    const { attempts, handled } = fixture({
      isCurrent: () => isCurrent,
      handleAll: () => {
        isCurrent = false;
        return Promise.resolve(undefined);
      },
    });
    const head = laneOf(...placed(3));
    expect(await attempts.run(head, attempts.spanOf(head))).toBe(NEXT);
    expect(handled).toEqual([]);
  });
});
