import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RecentAcks } from '#library/settlement/recent-acks.js';

test('gives everything confirmed since a time, and nothing that is a span older', () => {
  const confirmations = fc.array(fc.record({ afterMs: fc.integer({ min: 0, max: 400 }) }), { maxLength: 60 });
  fc.assert(
    fc.property(confirmations, fc.integer({ min: 0, max: 8_000 }), (steps, since) => {
      const recent = new RecentAcks();
      let now = 0;
      const all = steps.map(({ afterMs }, sequence) => {
        now += afterMs;
        recent.add(sequence, now);
        return { sequence, at: now };
      });
      recent.forgetBefore(since);
      const given = new Set(recent.since(since));
      for (const { sequence, at } of all) {
        if (at >= since) expect(given).toContain(sequence);
        if (at < since - 100) expect(given).not.toContain(sequence);
      }
      expect(recent.newestAt).toBe(now);
    }),
  );
});

test('a sequence confirmed anew is given once, as of now', () => {
  const recent = new RecentAcks();
  for (const sequence of [1, 2, 3]) recent.add(sequence, 0);
  recent.renew([2], 1_000);
  expect(recent.since(0)).toEqual([1, 3, 2]);
  expect(recent.since(1_000)).toEqual([2]);
  recent.forgetBefore(1_000);
  expect(recent.since(0)).toEqual([2]);
});

test('knows nothing after it was cleared', () => {
  const recent = new RecentAcks();
  recent.add(1, 5);
  recent.clear();
  expect(recent.since(0)).toEqual([]);
  expect(recent.newestAt).toBe(0);
});
