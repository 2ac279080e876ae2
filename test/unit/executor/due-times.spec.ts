import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Clock } from '#library/clock.js';
import { DueTimes } from '#library/executor/due-times.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';

/** A clock the test sets by hand, without turns of the event loop, that counts the timers alive. */
class BareClock implements Clock {
  time = 0;
  readonly timers = new Set<{ at: number; callback: () => void }>();

  now(): number {
    return this.time;
  }
  wallNow(): number {
    return this.time;
  }
  after(delayMs: number, callback: () => void) {
    const timer = { at: this.time + delayMs, callback };
    this.timers.add(timer);
    return { cancel: () => void this.timers.delete(timer) };
  }
  soon(): void {
    throw new Error('not needed');
  }
  nextTurn(): void {
    throw new Error('not needed');
  }
  advance(ms: number): void {
    const until = this.time + ms;
    for (;;) {
      const next = [...this.timers].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.timers.delete(next);
      this.time = Math.max(this.time, next.at);
      next.callback();
    }
    this.time = until;
  }
}

type Action = { readonly add: number } | { readonly advance: number } | { readonly clear: true };

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ add: fc.nat(200) }) },
  { weight: 3, arbitrary: fc.record({ advance: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.constant({ clear: true } as const) },
);

test('every value comes at its time, in the order of the times, behind one timer', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 200 }), (actions) => {
      const clock = new BareClock();
      let came: { value: number; at: number }[] = [];
      const due = new DueTimes<number>(clock, (value) => came.push({ value, at: clock.now() }));
      let model: { value: number; at: number }[] = [];
      let value = 0;
      for (const step of actions) {
        came = [];
        let expected: typeof model = [];
        if ('add' in step) {
          model.push({ value: ++value, at: clock.now() + step.add });
          due.add(step.add, value);
        } else if ('clear' in step) {
          model = [];
          due.clear();
        } else {
          clock.advance(step.advance);
          expected = model.filter(({ at }) => at <= clock.now()).sort((a, b) => a.at - b.at);
          model = model.filter(({ at }) => at > clock.now());
        }
        expect(came.map(({ at }) => at)).toEqual(expected.map(({ at }) => at));
        expect(new Set(came.map((entry) => entry.value))).toEqual(
          new Set(expected.map((entry) => entry.value)),
        );
        for (const { value: one, at } of came)
          expect(expected.find((entry) => entry.value === one)!.at).toBe(at);
        expect(due.size).toBe(model.length);
        expect(clock.timers.size).toBeLessThanOrEqual(1);
      }
    }),
  );
});

test('a value added while others become due is not lost', async () => {
  const clock = new ManualClock();
  const came: string[] = [];
  const due = new DueTimes<string>(clock, (value) => {
    came.push(`${value} at ${clock.now()}`);
    if (value === 'first') {
      due.add(0, 'at once');
      due.add(10, 'later');
    }
  });
  due.add(5, 'first');
  due.add(8, 'second');
  await clock.advance(20);
  expect(came).toEqual(['first at 5', 'at once at 5', 'second at 8', 'later at 15']);
  expect(clock.pendingTimers).toBe(0);
});

test('a timer that fires too early fires nothing early', () => {
  const clock = new BareClock();
  const came: number[] = [];
  const due = new DueTimes<number>(clock, (value) => came.push(value));
  due.add(10.4, 1);
  const [timer] = clock.timers;
  clock.timers.clear();
  clock.time = 10;
  timer!.callback();
  expect(came).toEqual([]);
  clock.advance(1);
  expect(came).toEqual([1]);
});
