import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Breaker } from '#library/consumer/breaker/breaker.js';

/** First tried after all that ever succeeded: not known to be at fault itself. */
const SINCE = Number.POSITIVE_INFINITY;
const options = { parked: 2, withinMs: 12_000, failedShare: 0.5, probeEveryMs: 1_000 };

function fixture() {
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
  test('permits aggregates to be parked until the limit is exceeded while most attempts fail', () => {
    const { breaker, heard } = fixture();
    breaker.attempted(true, 0);
    expect([
      breaker.requestPark('a', SINCE, 0),
      breaker.requestPark('b', SINCE, 1),
      breaker.requestPark('c', SINCE, 2),
    ]).toEqual([true, true, false]);
    expect([breaker.isOpen, breaker.prober, heard]).toEqual([true, 'c', ['opened c']]);
    expect([breaker.requestPark('c', SINCE, 3), breaker.requestPark('d', SINCE, 3)]).toEqual([false, false]);
    expect(heard).toHaveLength(1);
  });

  test('stays closed while at least half of the attempts succeed, for any number of parked aggregates', () => {
    const { breaker, heard } = fixture();
    for (let n = 0; n < 50; n++) {
      breaker.attempted(true, n);
      breaker.attempted(false, n);
      expect(breaker.requestPark(`a${n}`, SINCE, n)).toBe(true);
    }
    expect(heard).toEqual([]);
  });

  test('opens as soon as most of the last attempts fail, even if a thousand succeeded before', () => {
    const { breaker } = fixture();
    for (let n = 0; n < 1_000; n++) breaker.attempted(false, n);
    for (const token of ['a', 'b']) {
      breaker.attempted(true, 1_000);
      breaker.attempted(true, 1_000);
      expect(breaker.requestPark(token, SINCE, 1_000)).toBe(true);
    }
    expect(breaker.requestPark('c', SINCE, 1_000)).toBe(false);
  });

  test('permits an event to be parked that fails while others succeed, for any number of failed attempts', () => {
    const { breaker, heard } = fixture();
    for (let n = 0; n < 50; n++) {
      for (let attempt = 0; attempt < 10; attempt++) breaker.attempted(true, n * 100);
      breaker.attempted(false, n * 100 + 1);
      expect(breaker.requestPark(`poison-${n}`, n * 100, n * 100 + 2)).toBe(true);
    }
    expect(heard).toEqual([]);
    // What was first tried at the very moment of the last success, or later, is not known to be at fault.
    for (let attempt = 0; attempt < 10; attempt++) breaker.attempted(true, 4_902);
    expect(breaker.requestPark('next', 4_901, 4_903)).toBe(false);
  });

  test('does not count a success that was started before the outage', () => {
    const { breaker } = fixture();
    for (const token of ['a', 'b']) {
      breaker.attempted(true, 100);
      breaker.requestPark(token, 100, 150);
    }
    breaker.attempted(true, 100);
    breaker.attempted(false, 90);
    breaker.attempted(true, 120);
    expect(breaker.requestPark('c', 100, 160)).toBe(false);
  });

  test('closes on the first attempt that succeeds, not on one that fails', () => {
    const { breaker, heard } = fixture();
    breaker.attempted(true, 0);
    for (const token of ['a', 'b', 'c']) breaker.requestPark(token, SINCE, 0);
    breaker.attempted(true, 100);
    expect(breaker.isOpen).toBe(true);
    breaker.attempted(false, 200);
    breaker.attempted(false, 201);
    expect([breaker.isOpen, heard]).toEqual([false, ['opened c', 'closed']]);
  });

  test('passes the probe to another aggregate, and closes when the prober leaves the process', () => {
    const { breaker, heard } = fixture();
    breaker.passOn('x');
    breaker.attempted(true, 0);
    for (const token of ['a', 'b', 'c']) breaker.requestPark(token, SINCE, 0);
    breaker.passOn('d');
    breaker.left('c');
    expect([breaker.prober, heard]).toEqual(['d', ['opened c', 'opened d']]);
    breaker.left('d');
    expect([breaker.isOpen, heard.at(-1)]).toEqual([false, 'closed']);
  });

  test('forgets parked aggregates and attempts after a while', () => {
    const { breaker } = fixture();
    breaker.attempted(true, 0);
    breaker.requestPark('a', SINCE, 0);
    breaker.requestPark('b', SINCE, 0);
    expect(breaker.requestPark('c', SINCE, 12_000)).toBe(true);
    breaker.requestPark('d', SINCE, 12_001);
    // Nothing has failed for as long as it remembers.
    expect(breaker.requestPark('e', SINCE, 13_000)).toBe(true);
    breaker.attempted(true, 13_001);
    expect(breaker.requestPark('f', SINCE, 13_001)).toBe(false);
  });

  test('parks no more over all processes of a group than one process that owns every partition', () => {
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
        if (breaker.requestPark(`a${n}`, n, n)) count++;
      }
      return count;
    });
    expect(parked).toEqual([10, 5, 5]);
  });

  test('permits at least one aggregate to a process that owns few partitions', () => {
    const breaker = new Breaker(options, 256);
    breaker.listen({ isOwned: true, opened: () => undefined, closed: () => undefined });
    expect(breaker.limit).toBe(1);
  });

  test('does not notify a listener that was forgotten', () => {
    const { breaker, heard } = fixture();
    const late: string[] = [];
    const listener = {
      isOwned: true,
      opened: (token: string) => void late.push(token),
      closed: () => undefined,
    };
    breaker.listen(listener);
    breaker.forget(listener);
    breaker.attempted(true, 0);
    for (const token of ['a', 'b', 'c']) breaker.requestPark(token, SINCE, 0);
    expect([heard, late]).toEqual([['opened c'], []]);
  });
});

test('opens and closes exactly as a plain model of its rule says, for random attempts and requests', () => {
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
      const faults: string[] = [];
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
          if (breaker.requestPark('a', now - triedForMs, now) !== mayPark)
            faults.push(`${now}: may park ${mayPark}`);
        } else {
          attempts.push({ at: now, failed: kind === 'fail' });
          if (kind === 'succeed') {
            open = false;
            succeededAt = now;
          }
          breaker.attempted(kind === 'fail', now);
        }
        if (breaker.isOpen !== open) faults.push(`${now}: is open ${open}`);
      }
      expect(faults).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
