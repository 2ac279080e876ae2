import { describe, expect, test } from '@jest/globals';
import type { Failure, FailurePolicy } from '#library/consumer/handling/outcome.js';
import { CLOSE, NEXT } from '#library/executor/keyed-executor.js';
import { tokenOf } from '#library/message/subject.js';
import { deliveryOf } from './deliveries.js';

import { eventOf, failure, fixture, policy } from './attempts-fixture.js';
test('an event whose type another replica handles waits, and that is no attempt', async () => {
  const { attempts, handled, elsewhere, clock } = fixture({});
  elsewhere.add('Placed');
  const event = eventOf();
  const againMs = await attempts.run(event);
  expect(againMs).toBeGreaterThan(0);
  await clock.advance(againMs);
  expect(await attempts.run(event)).toBe(againMs);
  expect([handled, event.attempt, attempts.counts.ignored]).toEqual([[], 0, 0]);
  elsewhere.clear();
  expect(await attempts.run(event)).toBe(NEXT);
  expect([handled, attempts.counts.ignored]).toEqual([[7], 1]);
});

describe('a handled event', () => {
  test('is settled and lets the next one run, whether its handler ends at once or later', async () => {
    for (const handle of [() => undefined, () => Promise.resolve(undefined)]) {
      const { attempts, handled, calls } = fixture({ handle });
      expect(await attempts.run(eventOf())).toBe(NEXT);
      expect(handled).toEqual([7]);
      expect(attempts.counts).toMatchObject({ handled: 1, retried: 0, blocked: 0 });
      expect([...calls.running()]).toEqual([]);
    }
  });

  test('is settled only when its handler has ended', async () => {
    let end: (failure: undefined) => void = () => undefined;
    const { attempts, handled, clock, calls } = fixture({
      handle: () => new Promise((resolve) => (end = resolve)),
    });
    const event = eventOf();
    const step = attempts.run(event);
    await clock.settle();
    expect([handled, [...calls.running()]]).toEqual([[], [event]]);
    end(undefined);
    expect(await step).toBe(NEXT);
    expect(handled).toEqual([7]);
  });

  test('shows its handler what was published', async () => {
    const seen: unknown[] = [];
    const { attempts } = fixture({
      handle: (event) => {
        seen.push(event.aggregateId, event.envelope?.payload, event.attempt, event.startedAt);
        return undefined;
      },
    });
    await attempts.run(eventOf());
    expect(seen).toEqual(['order 1', { secret: 'hunter2' }, 1, 1_000]);
  });
});

describe('a failed event', () => {
  test('runs again in its place after growing waits, and then blocks at the longest wait', () => {
    const { attempts, handled, log } = fixture({ handle: () => failure() });
    const event = eventOf();
    const steps = Array.from({ length: 5 }, () => attempts.run(event));
    expect(steps).toEqual([100, 200, 5_000, 5_000, 5_000]);
    expect(event.attempt).toBe(5);
    expect(handled).toEqual([]);
    expect(attempts.counts).toMatchObject({ retried: 2, blocked: 3, handled: 0 });
    // One line for each change of state: it fails, it is blocked.
    expect(log.lines.map((line) => line.split(' ')[0])).toEqual(['warn', 'error']);
  });

  test('has one line when it fails and one when it is handled, and none for the attempts between', () => {
    let left = 3;
    const { attempts, log } = fixture({
      handle: () => (left-- > 0 ? failure() : undefined),
      handlerPolicy: { ...policy, retry: { ...policy.retry, attempts: 10 } },
    });
    const event = eventOf();
    for (let attempt = 0; attempt < 4; attempt++) void attempts.run(event);
    expect(log.lines).toEqual([
      expect.stringMatching(/^warn .*failed in its handler \(attempt 1\), again in 100 ms: Error: no stock$/),
      expect.stringMatching(/^info .*handled in attempt 4$/),
    ]);
  });

  test('waits a random part less, by its jitter', () => {
    const { attempts } = fixture({ handle: () => failure(), random: () => 0.5 });
    expect(attempts.run(eventOf())).toBe(75);
  });

  test('that succeeds in a later attempt is settled', async () => {
    let left = 2;
    const { attempts, handled } = fixture({
      handle: () => Promise.resolve(left-- > 0 ? failure() : undefined),
    });
    const event = eventOf();
    expect([await attempts.run(event), await attempts.run(event), await attempts.run(event)]).toEqual([
      100,
      200,
      NEXT,
    ]);
    expect(handled).toEqual([7]);
  });

  test('that is unrecoverable blocks without a retry', () => {
    const { attempts } = fixture({ handle: () => failure('handler', true) });
    expect(attempts.run(eventOf())).toBe(5_000);
  });

  test('halts its partition if the policy says so: its lane closes, and nothing is settled', () => {
    const { attempts, handled, halted } = fixture({
      handle: () => failure('pipe'),
      handlerPolicy: { ...policy, onExhausted: 'halt' },
    });
    expect(attempts.run(eventOf())).toBe(CLOSE);
    expect(handled).toEqual([]);
    expect(halted).toHaveLength(1);
    expect(halted[0]).toContain('failed in its pipe (attempt 1)');
  });

  test('that a guard refused blocks, and the text names the way out', () => {
    const { attempts, log } = fixture({
      handle: () => failure('guard'),
      handlerPolicy: { ...policy, onExhausted: 'halt' },
    });
    expect(attempts.run(eventOf())).toBe(5_000);
    expect(log.lines[0]).toContain("context.getType() === 'rpc'");
  });

  test('is logged with its keys and reason, never with its payload', () => {
    const { attempts, log } = fixture({ handle: () => failure() });
    const event = eventOf();
    for (let attempt = 0; attempt < 4; attempt++) void attempts.run(event);
    for (const line of log.lines) {
      expect(line).toContain('orders/billing/0: Placed of aggregate "order 1" (sequence 7)');
      expect(line).toContain('no stock');
      expect(line).not.toContain('hunter2');
    }
  });
});

describe('an event that is parked', () => {
  const parks: FailurePolicy = { ...policy, onExhausted: 'park' };

  test('becomes a letter that says why, is settled after that, and is reported', async () => {
    const { attempts, handled, server, notices, log } = fixture({
      handle: () => failure(),
      handlerPolicy: parks,
    });
    const event = eventOf();
    expect([attempts.run(event), attempts.run(event)]).toEqual([100, 200]);
    const step = attempts.run(event);
    expect(handled).toEqual([]);
    expect(await step).toBe(NEXT);
    expect(handled).toEqual([7]);
    const note = { reason: 'EXHAUSTED', error: 'Error: no stock', attempts: 3 };
    expect(server.letters(event.token)).toMatchObject([{ note: { ...note, sequence: 7 } }]);
    expect(server.marker(event.token)?.marker).toMatchObject({
      state: 'parked',
      epoch: 1,
      sequence: 7,
      ...note,
    });
    expect(notices).toEqual([[7, note]]);
    expect(attempts.counts).toMatchObject({ retried: 2, parked: 1, blocked: 0, handled: 0 });
    expect(log.lines.at(-1)).toContain('its aggregate is parked (EXHAUSTED)');
  });

  test.each([
    ['UNRECOVERABLE', failure('handler', true)],
    ['REJECTED', failure('pipe')],
  ])('at once, as %s, where no retry can help', async (reason, failed) => {
    const { attempts, server } = fixture({ handle: () => failed, handlerPolicy: parks });
    const event = eventOf();
    expect(await attempts.run(event)).toBe(NEXT);
    expect(server.letters(event.token)).toMatchObject([{ note: { reason, attempts: 1 } }]);
  });

  test('is not settled before its letter is confirmed; the lane stores it again and starts no handler', async () => {
    let calls = 0;
    const { attempts, handled, server, port, log } = fixture({
      handle: () => {
        calls++;
        return failure('pipe');
      },
      handlerPolicy: parks,
    });
    const event = eventOf();
    server.maxLetters = 0;
    expect(await attempts.run(event)).toBe(500);
    port.fateOf = () => 'lost';
    expect(await attempts.run(event)).toBe(500);
    expect([handled, calls, log.lines.filter((line) => line.includes('could not be stored')).length]).toEqual(
      [[], 1, 1],
    );
    server.maxLetters = 1;
    port.fateOf = () => 'answered';
    expect(await attempts.run(event)).toBe(NEXT);
    expect([handled, calls, server.letters(event.token).length]).toEqual([[7], 1, 1]);
  });

  test('waits in its place while the breaker is open', async () => {
    const { attempts, handled, server, breaker } = fixture({
      handle: () => failure('pipe'),
      handlerPolicy: parks,
      maxParked: 1,
    });
    expect(await attempts.run(eventOf('Placed', 1, 'a'))).toBe(NEXT);
    const [prober, other] = [eventOf('Placed', 2, 'b'), eventOf('Placed', 3, 'c')];
    expect(attempts.run(prober)).toBe(700);
    expect(attempts.run(other)).toBe(1_000);
    expect([handled, breaker.prober, server.markers().length]).toEqual([[1], 'b', 1]);
  });
});

describe('a skipped event', () => {
  test('becomes a letter of no marker, and its aggregate continues', async () => {
    const { attempts, handled, server } = fixture({
      handle: () => failure('pipe'),
      handlerPolicy: { ...policy, onExhausted: 'skip' },
    });
    const event = eventOf();
    expect(await attempts.run(event)).toBe(NEXT);
    expect(handled).toEqual([7]);
    expect(server.skipped()).toMatchObject([{ note: { marker: 0, sequence: 7, reason: 'REJECTED' } }]);
    expect([server.letters(event.token), server.markers()]).toEqual([[], []]);
    expect(attempts.counts).toMatchObject({ skipped: 1, parked: 0 });
  });
});

describe('an event that reaches no handler', () => {
  const undecodable: [string, Uint8Array][] = [
    ['no JSON', Buffer.from('{')],
    ['no envelope', Buffer.from('[1]')],
    ['another aggregate', Buffer.from(eventOf('Placed', 7, 'order 2').origin.body)],
    ['an empty body', new Uint8Array()],
  ];

  test.each(undecodable)(
    'because it cannot be read, blocks at once and never reaches one: %s',
    (_name, body) => {
      let calls = 0;
      const { attempts, handled, log } = fixture({
        handle: () => {
          calls++;
          return undefined;
        },
      });
      const event = deliveryOf({ sequence: 7, token: tokenOf('order 1'), body });
      expect(attempts.run(event)).toBe(5_000);
      expect([calls, handled]).toEqual([0, []]);
      expect(log.lines[0]).toContain('ENVELOPE_INVALID');
      expect(log.lines[0]).toContain('order 1');
    },
  );

  test('because it cannot be read, halts where the policy of the group says so', () => {
    const { attempts, halted } = fixture({ failurePolicy: { ...policy, onExhausted: 'halt' } });
    expect(attempts.run(deliveryOf({ sequence: 1 }))).toBe(CLOSE);
    expect(halted).toHaveLength(1);
  });

  test('because its type has none, is passed over, counted, and logged once per type', () => {
    const { attempts, handled, log } = fixture();
    expect([1, 2, 3].map((sequence) => attempts.run(eventOf('Shipped', sequence)))).toEqual([
      NEXT,
      NEXT,
      NEXT,
    ]);
    void attempts.run(eventOf('Paid', 4));
    expect(handled).toEqual([1, 2, 3, 4]);
    expect(attempts.counts).toMatchObject({ handled: 0, ignored: 4, retried: 0, blocked: 0, parked: 0 });
    expect(log.lines).toHaveLength(2);
  });

  test('because its type has none, blocks if it must not be passed over', () => {
    const { attempts, handled, log } = fixture({ onUnhandledType: 'block' });
    expect(attempts.run(eventOf('Shipped'))).toBe(5_000);
    expect(handled).toEqual([]);
    expect(log.lines[0]).toContain('HANDLER_MISSING');
  });

  test.each([
    ['UNHANDLED_TYPE', 'because its type has none', eventOf('Shipped')],
    ['UNDECODABLE', 'because it cannot be read', deliveryOf({ sequence: 7, token: tokenOf('order 1') })],
  ])('is parked as %s, %s', async (reason, _why, event) => {
    const { attempts, server, handled } = fixture({
      onUnhandledType: 'park',
      failurePolicy: { ...policy, onExhausted: 'park' },
    });
    expect(await attempts.run(event)).toBe(NEXT);
    expect(server.letters(event.token)).toMatchObject([{ note: { reason, attempts: 1 } }]);
    expect(handled).toEqual([7]);
  });

  test('because its type has none, is parked or blocked as onUnhandledType says', async () => {
    const halts = { ...policy, onExhausted: 'halt' as const, classify: () => 'skip' as const };
    const parking = fixture({ onUnhandledType: 'park', failurePolicy: halts });
    const event = eventOf('Shipped');
    expect(await parking.attempts.run(event)).toBe(NEXT);
    expect(parking.server.letters(event.token)).toHaveLength(1);
    const blocking = fixture({ onUnhandledType: 'block', failurePolicy: halts });
    expect(blocking.attempts.run(eventOf('Shipped'))).toBe(5_000);
    expect([...parking.halted, ...blocking.halted]).toEqual([]);
  });

  test('because its type has none, costs bounded memory and log lines', () => {
    const { attempts, log } = fixture();
    for (let n = 0; n < 1_500; n++) void attempts.run(eventOf(`type ${n}`));
    expect(log.lines).toHaveLength(1_000);
  });
});

describe('the right to start', () => {
  test('closes the lane when it is missing, and starts and counts nothing', () => {
    let calls = 0;
    const { attempts, handled } = fixture({
      mayStart: () => false,
      handle: () => {
        calls++;
        return undefined;
      },
    });
    const event = eventOf();
    expect(attempts.run(event)).toBe(CLOSE);
    expect([calls, event.attempt, handled]).toEqual([0, 0, []]);
  });
});

describe('a lease that ended while the handler ran', () => {
  test.each([
    ['well', undefined],
    ['badly', failure()],
  ])(
    'ignores how it ended (%s): nothing is settled, counted or retried, and its lane is free',
    async (_name, ended) => {
      let current = true;
      let end: (failure: Failure | undefined) => void = () => undefined;
      const { attempts, handled, halted, log, calls } = fixture({
        isCurrent: () => current,
        handle: () => new Promise((resolve) => (end = resolve)),
      });
      const step = attempts.run(eventOf());
      current = false;
      end(ended);
      expect(await step).toBe(NEXT);
      expect([handled, halted, log.lines]).toEqual([[], [], []]);
      expect(attempts.counts).toMatchObject({ handled: 0, retried: 0, blocked: 0, parked: 0 });
      expect([...calls.running()]).toEqual([]);
    },
  );
});

describe('a handler that takes too long', () => {
  test('has its signal aborted once, and keeps its lane until it settles', async () => {
    let end: (failure: Failure | undefined) => void = () => undefined;
    const reasons: unknown[] = [];
    const { attempts, handled, clock, log } = fixture({
      handle: (event) => {
        event.signal.addEventListener('abort', () => reasons.push(event.signal.reason));
        return new Promise((resolve) => (end = resolve));
      },
    });
    const event = eventOf();
    let step: number | undefined;
    void Promise.resolve(attempts.run(event)).then((value) => (step = value));
    await clock.advance(900);
    expect(reasons).toEqual([]);
    await clock.advance(200);
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toMatchObject({ code: 'HANDLER_TIMED_OUT' });
    await clock.advance(500);
    expect([reasons.length, step, log.lines.length]).toEqual([1, undefined, 1]);
    end(undefined);
    await clock.settle();
    expect([step, handled]).toEqual([NEXT, [7]]);
  });

  test('is reported as stuck once, after twice its time', async () => {
    const { attempts, clock, log, stuck } = fixture({ handle: () => new Promise(() => undefined) });
    void attempts.run(eventOf());
    await clock.advance(1_900);
    expect([log.lines.filter((line) => line.includes('is stuck')), stuck]).toEqual([[], []]);
    await clock.advance(10_000);
    expect(log.lines.filter((line) => line.includes('is stuck'))).toHaveLength(1);
    expect(stuck).toEqual([7]);
  });

  test('has its whole time again in the next attempt, with a new signal', async () => {
    const signals: AbortSignal[] = [];
    const { attempts, clock } = fixture({
      handle: (event) => {
        signals.push(event.signal);
        return failure();
      },
    });
    const event = eventOf();
    void attempts.run(event);
    event.abort('over');
    await clock.advance(5_000);
    void attempts.run(event);
    expect(signals.map((signal) => signal.aborted)).toEqual([true, false]);
    expect(event.startedAt).toBe(6_000);
  });

  test('is told by abortAll, even if it asks for its signal only afterwards', async () => {
    const { attempts, clock, calls, letterLanes } = fixture({ handle: () => new Promise(() => undefined) });
    const [one, two] = [eventOf('Placed', 1), eventOf('Placed', 2)];
    void attempts.run(one);
    void attempts.run(two);
    const early = one.signal;
    calls.abortAll('lease lost');
    calls.abortAll('again');
    expect([early.reason, two.signal.reason]).toEqual(['lease lost', 'lease lost']);
    calls.close();
    letterLanes.close();
    expect(clock.pendingTimers).toBe(0);
    await clock.settle();
  });
});
