import { describe, expect, test } from '@jest/globals';
import { type AttemptOptions, Attempts } from '#library/consumer/handling/attempts.js';
import { Breaker } from '#library/consumer/handling/breaker.js';
import { EventHandlers } from '#library/consumer/handling/event-handlers.js';
import { HandlerRuns } from '#library/consumer/handling/handler-calls.js';
import { type LaneEntry, ParkedLanes } from '#library/consumer/handling/letter-lanes.js';
import { type SuspectRecord, Suspects } from '#library/consumer/handling/suspects.js';
import { CLOSE, KeyedExecutor, NEXT } from '#library/executor/keyed-executor.js';
import { jsonCodec } from '#library/message/codec.js';
import type { Delivery } from '#library/message/delivery.js';
import type { ParkNote } from '#library/message/park-reason.js';
import { tokenOf } from '#library/message/subject.js';
import { Parking } from '#library/parking/parking.js';
import type { Failure, FailurePolicy } from '#library/consumer/handling/outcome.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { FakeParkedPort } from '../../parking/fake-parked-port.js';
import { deliveryOf, recordedLog } from './fake-consumer-port.js';
import { FakeKeyPort } from '../ownership/fake-key-port.js';

const policy: FailurePolicy = {
  retry: { attempts: 3, firstDelayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0.5 },
  onExhausted: 'block',
};
const failure = (stage: Failure['stage'] = 'handler', unrecoverable = false): Failure => ({
  stage,
  error: new Error('no stock'),
  unrecoverable,
});

function eventOf(type = 'Placed', sequence = 7, aggregateId = 'order 1'): Delivery {
  const body = jsonCodec.encode({
    event_id: 'e1',
    aggregate_id: aggregateId,
    event_type: type,
    event_version: 1,
    timestamp: '2026-01-01T00:00:00.000Z',
    payload: { secret: 'hunter2' },
  });
  return deliveryOf({ sequence, token: tokenOf(aggregateId), body });
}

interface BenchOptions extends Partial<AttemptOptions> {
  readonly handle?: (event: Delivery) => PromiseLike<Failure | undefined> | Failure | undefined;
  readonly handlerPolicy?: FailurePolicy;
  /** Aggregates that may be parked before the breaker opens. */
  readonly maxParked?: number;
}

function bench({ handle, handlerPolicy = policy, maxParked = 20, ...options }: BenchOptions = {}) {
  const clock = new ManualClock(1_000);
  const log = recordedLog();
  const handled: number[] = [];
  const halted: string[] = [];
  const attempted: number[] = [];
  const stuck: number[] = [];
  const notices: [sequence: number, note: ParkNote][] = [];
  const keys = new FakeKeyPort<SuspectRecord>();
  const port = new FakeParkedPort();
  const name = 'orders/billing/0';
  const { mayStart = () => true, isCurrent = () => true, onUnhandledType = 'ignore' } = options;
  const suspects = new Suspects({ name, port: keys, maxStarts: 3, clock, log });
  const handlers = new EventHandlers();
  if (handle !== undefined) {
    handlers.add('Placed', { failurePolicy: handlerPolicy, timeoutMs: 1_000, handle });
  }
  const runs = new HandlerRuns({
    name,
    topic: 'orders',
    codec: jsonCodec,
    handlers,
    onUnhandledType,
    clock,
    log,
    stuck: (event) => stuck.push(event.sequence),
  });
  const breaker = new Breaker(
    { parked: maxParked, withinMs: 60_000, failedShare: 0.5, probeEveryMs: 700 },
    1,
  );
  const parking = new Parking({
    name,
    port,
    clock,
    log,
    epoch: () => 1,
    streamCreated: () => 'then',
    mayWrite: mayStart,
    maxCrashes: 3,
    commanded: () => undefined,
    unparked: () => undefined,
  });
  const settled = (event: Delivery): void => void handled.push(event.sequence);
  const parkedLanes = new ParkedLanes({
    name,
    parking,
    lanes: new KeyedExecutor<LaneEntry>({ concurrency: 1, clock, run: () => NEXT }),
    breaker,
    clock,
    log,
    mayStart,
    isCurrent,
    handled: settled,
    headHandled: () => undefined,
    parked: (event, note) => notices.push([event.sequence, note]),
  });
  const attempts = new Attempts({
    name,
    observer: {},
    runs,
    parkedLanes,
    breaker,
    onUnhandledType,
    failurePolicy: policy,
    clock,
    random: () => 0,
    log,
    mayStart,
    isCurrent,
    suspects,
    attempted: (event) => attempted.push(event.sequence),
    handled: settled,
    halt: (reason) => halted.push(reason),
    handBack: () => undefined,
    ...options,
  });
  return {
    clock,
    log,
    handled,
    halted,
    attempts,
    attempted,
    suspects,
    keys,
    runs,
    breaker,
    port,
    server: port.server,
    parkedLanes,
    stuck,
    notices,
  };
}

describe('a handled event', () => {
  test('is done and lets the next one run, whether its handler ends at once or later', async () => {
    for (const handle of [() => undefined, () => Promise.resolve(undefined)]) {
      const { attempts, handled, runs } = bench({ handle });
      expect(await attempts.run(eventOf())).toBe(NEXT);
      expect(handled).toEqual([7]);
      expect(attempts.counts).toMatchObject({ handled: 1, retried: 0, blocked: 0 });
      expect([...runs.running()]).toEqual([]);
    }
  });

  test('is settled only when its handler has ended', async () => {
    let end: (failure: undefined) => void = () => undefined;
    const { attempts, handled, clock, runs } = bench({
      handle: () => new Promise((resolve) => (end = resolve)),
    });
    const event = eventOf();
    const step = attempts.run(event);
    await clock.settle();
    expect([handled, [...runs.running()]]).toEqual([[], [event]]);
    end(undefined);
    expect(await step).toBe(NEXT);
    expect(handled).toEqual([7]);
  });

  test('shows its handler what was published', async () => {
    const seen: unknown[] = [];
    const { attempts } = bench({
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
  test('runs again at its place after growing waits, and counts its attempts; then it blocks at the longest wait', () => {
    const { attempts, handled, log } = bench({ handle: () => failure() });
    const event = eventOf();
    const steps = Array.from({ length: 5 }, () => attempts.run(event));
    expect(steps).toEqual([100, 200, 5_000, 5_000, 5_000]);
    expect(event.attempt).toBe(5);
    expect(handled).toEqual([]);
    expect(attempts.counts).toMatchObject({ retried: 2, blocked: 3, handled: 0 });
    expect(log.lines).toHaveLength(5);
  });

  test('waits a random share less, by its jitter', () => {
    const { attempts } = bench({ handle: () => failure(), random: () => 0.5 });
    expect(attempts.run(eventOf())).toBe(75);
  });

  test('that succeeds at last is done', async () => {
    let left = 2;
    const { attempts, handled } = bench({
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
    const { attempts } = bench({ handle: () => failure('handler', true) });
    expect(attempts.run(eventOf())).toBe(5_000);
  });

  test('halts its partition where the policy says so: its lane closes, and nothing is settled', () => {
    const { attempts, handled, halted } = bench({
      handle: () => failure('pipe'),
      handlerPolicy: { ...policy, onExhausted: 'halt' },
    });
    expect(attempts.run(eventOf())).toBe(CLOSE);
    expect(handled).toEqual([]);
    expect(halted).toHaveLength(1);
    expect(halted[0]).toContain('failed in its pipe (attempt 1)');
  });

  test('that a guard refused blocks, and the text names the way out', () => {
    const { attempts, log } = bench({
      handle: () => failure('guard'),
      handlerPolicy: { ...policy, onExhausted: 'halt' },
    });
    expect(attempts.run(eventOf())).toBe(5_000);
    expect(log.lines[0]).toContain("context.getType() === 'rpc'");
  });

  test('is logged with its keys and reason, never with its payload', () => {
    const { attempts, log } = bench({ handle: () => failure() });
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

  test('becomes a letter that says why, then it is settled, and it is told', async () => {
    const { attempts, handled, server, notices, log } = bench({
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
    const { attempts, server } = bench({ handle: () => failed, handlerPolicy: parks });
    const event = eventOf();
    expect(await attempts.run(event)).toBe(NEXT);
    expect(server.letters(event.token)).toMatchObject([{ note: { reason, attempts: 1 } }]);
  });

  test('is not settled while its letter is not confirmed; the lane tries that again, and starts no handler', async () => {
    let calls = 0;
    const { attempts, handled, server, port, log } = bench({
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
    const { attempts, handled, server, breaker } = bench({
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
  test('becomes a letter of no marker, and its aggregate goes on', async () => {
    const { attempts, handled, server } = bench({
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
      const { attempts, handled, log } = bench({
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
    const { attempts, halted } = bench({ failurePolicy: { ...policy, onExhausted: 'halt' } });
    expect(attempts.run(deliveryOf({ sequence: 1 }))).toBe(CLOSE);
    expect(halted).toHaveLength(1);
  });

  test('because its type has none, is passed over, counted, and said once per type', () => {
    const { attempts, handled, log, runs } = bench();
    expect([1, 2, 3].map((sequence) => attempts.run(eventOf('Shipped', sequence)))).toEqual([
      NEXT,
      NEXT,
      NEXT,
    ]);
    void attempts.run(eventOf('Paid', 4));
    expect(handled).toEqual([1, 2, 3, 4]);
    expect(attempts.counts).toMatchObject({ handled: 0, retried: 0, blocked: 0, parked: 0 });
    expect(runs.unhandledTypes).toBe(4);
    expect(log.lines).toHaveLength(2);
  });

  test('because its type has none, blocks if it must not be passed over', () => {
    const { attempts, handled, log } = bench({ onUnhandledType: 'block' });
    expect(attempts.run(eventOf('Shipped'))).toBe(5_000);
    expect(handled).toEqual([]);
    expect(log.lines[0]).toContain('HANDLER_MISSING');
  });

  test.each([
    ['UNHANDLED_TYPE', 'because its type has none', eventOf('Shipped')],
    ['UNDECODABLE', 'because it cannot be read', deliveryOf({ sequence: 7, token: tokenOf('order 1') })],
  ])('is parked as %s, %s', async (reason, _why, event) => {
    const { attempts, server, handled } = bench({
      onUnhandledType: 'park',
      failurePolicy: { ...policy, onExhausted: 'park' },
    });
    expect(await attempts.run(event)).toBe(NEXT);
    expect(server.letters(event.token)).toMatchObject([{ note: { reason, attempts: 1 } }]);
    expect(handled).toEqual([7]);
  });

  test('because its type has none, is parked or blocked as onUnhandledType says, whatever the group does with failures', async () => {
    const halts = { ...policy, onExhausted: 'halt' as const, classify: () => 'skip' as const };
    const parking = bench({ onUnhandledType: 'park', failurePolicy: halts });
    const event = eventOf('Shipped');
    expect(await parking.attempts.run(event)).toBe(NEXT);
    expect(parking.server.letters(event.token)).toHaveLength(1);
    const blocking = bench({ onUnhandledType: 'block', failurePolicy: halts });
    expect(blocking.attempts.run(eventOf('Shipped'))).toBe(5_000);
    expect([...parking.halted, ...blocking.halted]).toEqual([]);
  });

  test('types without a handler cost bounded memory and log lines', () => {
    const { attempts, log } = bench();
    for (let n = 0; n < 1_500; n++) void attempts.run(eventOf(`type ${n}`));
    expect(log.lines).toHaveLength(1_000);
  });
});

describe('the right to start', () => {
  test('without it nothing starts, nothing is counted, and the lane closes', () => {
    let calls = 0;
    const { attempts, handled } = bench({
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
    'makes how it ended (%s) count for nothing: no ack, no attempt, no retry; its lane is free',
    async (_name, ended) => {
      let current = true;
      let end: (failure: Failure | undefined) => void = () => undefined;
      const { attempts, handled, halted, log, runs } = bench({
        isCurrent: () => current,
        handle: () => new Promise((resolve) => (end = resolve)),
      });
      const step = attempts.run(eventOf());
      current = false;
      end(ended);
      expect(await step).toBe(NEXT);
      expect([handled, halted, log.lines]).toEqual([[], [], []]);
      expect(attempts.counts).toMatchObject({ handled: 0, retried: 0, blocked: 0, parked: 0 });
      expect([...runs.running()]).toEqual([]);
    },
  );
});

describe('a handler that takes too long', () => {
  test('has its signal aborted once; its lane waits until it settles, and how it ends is what counts', async () => {
    let end: (failure: Failure | undefined) => void = () => undefined;
    const reasons: unknown[] = [];
    const { attempts, handled, clock, log } = bench({
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

  test('for twice its time is reported as stuck, once', async () => {
    const { attempts, clock, log, stuck } = bench({ handle: () => new Promise(() => undefined) });
    void attempts.run(eventOf());
    await clock.advance(1_900);
    expect([log.lines.filter((line) => line.includes('is stuck')), stuck]).toEqual([[], []]);
    await clock.advance(10_000);
    expect(log.lines.filter((line) => line.includes('is stuck'))).toHaveLength(1);
    expect(stuck).toEqual([7]);
  });

  test('has its whole time again in the next attempt, with a fresh signal', async () => {
    const signals: AbortSignal[] = [];
    const { attempts, clock } = bench({
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

  test('abortAll tells every running attempt, those that ask for their signal afterwards too', async () => {
    const { attempts, clock, runs, parkedLanes } = bench({ handle: () => new Promise(() => undefined) });
    const [one, two] = [eventOf('Placed', 1), eventOf('Placed', 2)];
    void attempts.run(one);
    void attempts.run(two);
    const early = one.signal;
    runs.abortAll('lease lost');
    runs.abortAll('again');
    expect([early.reason, two.signal.reason]).toEqual(['lease lost', 'lease lost']);
    runs.close();
    parkedLanes.close();
    expect(clock.pendingTimers).toBe(0);
    await clock.settle();
  });
});
