import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Breaker } from '#library/consumer/handling/breaker.js';

/** First tried after all that ever succeeded: not known to be at fault itself. */
const SINCE = Number.POSITIVE_INFINITY;
const options = { parked: 2, withinMs: 12_000, failedShare: 0.5, probeEveryMs: 1_000 };

function bench() {
  const breaker = new Breaker(options, 1);
  const heard: string[] = [];
  breaker.listen({
    isOwned: true,
    opened: (token) => heard.push(`opened ${token}`),
    closed: () => heard.push('closed'),
  });
  return { breaker, heard };
}

describe('a breaker', () => {
  test('lets aggregates be parked until one more than allowed would be, and most attempts fail', () => {
    const { breaker, heard } = bench();
    breaker.attempted(true, 0);
    expect([
      breaker.permits('a', SINCE, 0),
      breaker.permits('b', SINCE, 1),
      breaker.permits('c', SINCE, 2),
    ]).toEqual([true, true, false]);
    expect([breaker.isOpen, breaker.prober, heard]).toEqual([true, 'c', ['opened c']]);
    expect([breaker.permits('c', SINCE, 3), breaker.permits('d', SINCE, 3)]).toEqual([false, false]);
    expect(heard).toHaveLength(1);
  });

  test('stays closed however many are parked while at least half of the attempts succeed', () => {
    const { breaker, heard } = bench();
    for (let n = 0; n < 50; n++) {
      breaker.attempted(true, n);
      breaker.attempted(false, n);
      expect(breaker.permits(`a${n}`, SINCE, n)).toBe(true);
    }
    expect(heard).toEqual([]);
  });

  test('opens however much went well before, as soon as most of the last attempts fail', () => {
    const { breaker } = bench();
    for (let n = 0; n < 1_000; n++) breaker.attempted(false, n);
    for (const token of ['a', 'b']) {
      breaker.attempted(true, 1_000);
      breaker.attempted(true, 1_000);
      expect(breaker.permits(token, SINCE, 1_000)).toBe(true);
    }
    expect(breaker.permits('c', SINCE, 1_000)).toBe(false);
  });

  test('lets an event be parked that fails while others succeed, however many attempts fail', () => {
    const { breaker, heard } = bench();
    for (let n = 0; n < 50; n++) {
      for (let attempt = 0; attempt < 10; attempt++) breaker.attempted(true, n * 100);
      breaker.attempted(false, n * 100 + 1);
      expect(breaker.permits(`poison-${n}`, n * 100, n * 100 + 2)).toBe(true);
    }
    expect(heard).toEqual([]);
    // What was first tried at the very moment of the last success, or later, is not known to be at fault.
    for (let attempt = 0; attempt < 10; attempt++) breaker.attempted(true, 4_902);
    expect(breaker.permits('next', 4_901, 4_903)).toBe(false);
  });

  test('does not take a slow attempt that was started before an outage for a success within it', () => {
    const { breaker } = bench();
    for (const token of ['a', 'b']) {
      breaker.attempted(true, 100);
      breaker.permits(token, 100, 150);
    }
    breaker.attempted(true, 100);
    breaker.attempted(false, 90);
    breaker.attempted(true, 120);
    expect(breaker.permits('c', 100, 160)).toBe(false);
  });

  test('closes with the first attempt that succeeds, and not with one that fails', () => {
    const { breaker, heard } = bench();
    breaker.attempted(true, 0);
    for (const token of ['a', 'b', 'c']) breaker.permits(token, SINCE, 0);
    breaker.attempted(true, 100);
    expect(breaker.isOpen).toBe(true);
    breaker.attempted(false, 200);
    breaker.attempted(false, 201);
    expect([breaker.isOpen, heard]).toEqual([false, ['opened c', 'closed']]);
  });

  test('lets another aggregate probe, and closes when the one that probes goes to another process', () => {
    const { breaker, heard } = bench();
    breaker.passOn('x');
    breaker.attempted(true, 0);
    for (const token of ['a', 'b', 'c']) breaker.permits(token, SINCE, 0);
    breaker.passOn('d');
    breaker.left('c');
    expect([breaker.prober, heard]).toEqual(['d', ['opened c', 'opened d']]);
    breaker.left('d');
    expect([breaker.isOpen, heard.at(-1)]).toEqual([false, 'closed']);
  });

  test('forgets parked aggregates and attempts after a while', () => {
    const { breaker } = bench();
    breaker.attempted(true, 0);
    breaker.permits('a', SINCE, 0);
    breaker.permits('b', SINCE, 0);
    expect(breaker.permits('c', SINCE, 12_000)).toBe(true);
    breaker.permits('d', SINCE, 12_001);
    // Nothing has failed for as long as it remembers.
    expect(breaker.permits('e', SINCE, 13_000)).toBe(true);
    breaker.attempted(true, 13_001);
    expect(breaker.permits('f', SINCE, 13_001)).toBe(false);
  });

  test('parks no more, over all processes of a group, than one process that owns all partitions', () => {
    const partition = (isOwned: boolean) => ({ isOwned, opened: () => undefined, closed: () => undefined });
    const owned = [
      [true, true, false, false],
      [false, false, true, false],
      [false, false, false, true],
    ];
    const processes = owned.map((partitions) => {
      const breaker = new Breaker({ ...options, parked: 20 }, 4);
      for (const isOwned of partitions) breaker.listen(partition(isOwned));
      return breaker;
    });
    expect(processes.map(({ limit }) => limit)).toEqual([10, 5, 5]);
    const parked = processes.map((breaker) => {
      // All went well until now.
      for (let n = 0; n < 100; n++) breaker.attempted(false, 0);
      let count = 0;
      for (let n = 1; !breaker.isOpen; n++) {
        breaker.attempted(true, n);
        if (breaker.permits(`a${n}`, n, n)) count++;
      }
      return count;
    });
    expect(parked).toEqual([10, 5, 5]);
  });

  test('lets a process that owns little of it park one', () => {
    const breaker = new Breaker(options, 256);
    breaker.listen({ isOwned: true, opened: () => undefined, closed: () => undefined });
    expect(breaker.limit).toBe(1);
  });

  test('tells nobody who has stopped listening', () => {
    const { breaker, heard } = bench();
    const late: string[] = [];
    const listener = {
      isOwned: true,
      opened: (token: string) => void late.push(token),
      closed: () => undefined,
    };
    breaker.listen(listener);
    breaker.forget(listener);
    breaker.attempted(true, 0);
    for (const token of ['a', 'b', 'c']) breaker.permits(token, SINCE, 0);
    expect([heard, late]).toEqual([['opened c'], []]);
  });
});

test('whatever is attempted and parked whenever: it opens and closes exactly as the plainest telling of its rule', () => {
  const step = fc.record({
    kind: fc.constantFrom('fail', 'succeed', 'park'),
    triedForMs: fc.nat(5_000),
    ms: fc.oneof(fc.nat(20), fc.nat(3_000)),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200, size: 'max' }), (steps) => {
      const breaker = new Breaker(options, 1);
      breaker.listen({ isOwned: true, opened: () => undefined, closed: () => undefined });
      let parked: number[] = [];
      let attempts: { at: number; failed: boolean }[] = [];
      let open = false;
      let succeededAt = Number.NEGATIVE_INFINITY;
      let now = 0;
      for (const { kind, ms, triedForMs } of steps) {
        now += ms;
        attempts = attempts.slice(-2 * options.parked).filter(({ at }) => now - at < options.withinMs);
        if (kind === 'park') {
          parked = parked.filter((at) => now - at < options.withinMs);
          const mostFail = attempts.filter(({ failed }) => failed).length > attempts.length / 2;
          const ownFault = succeededAt > now - triedForMs;
          const mayPark = !open && (ownFault || parked.length < options.parked || !mostFail);
          if (mayPark) parked = [...parked, now].slice(-options.parked);
          else open = true;
          expect(breaker.permits('a', now - triedForMs, now)).toBe(mayPark);
        } else {
          attempts.push({ at: now, failed: kind === 'fail' });
          if (kind === 'succeed') {
            open = false;
            succeededAt = now;
          }
          breaker.attempted(kind === 'fail', now);
        }
        expect(breaker.isOpen).toBe(open);
      }
    }),
    { numRuns: 300 },
  );
});
