import { AttemptEnds } from '#library/consumer/handling/attempt-ends.js';
import { AttemptPolicies, Attempts } from '#library/consumer/handling/attempts.js';
import { Breaker } from '#library/consumer/breaker/breaker.js';
import { FailedAttempts } from '#library/consumer/handling/failed-attempts.js';
import { FailureLog } from '#library/consumer/handling/failure-log.js';
import {
  type BatchHandler,
  EventHandlers,
  type OnUnhandledType,
} from '#library/consumer/handling/event-handlers.js';
import { HandlerCalls } from '#library/consumer/handling/handler-calls.js';
import type { LaneEntry } from '#library/consumer/handling/lane-entry.js';
import type { AttemptSpans, LaneListener } from '#library/consumer/handling/lane-listener.js';
import { HandlerTimes } from '#library/consumer/lanes/handler-times.js';
import { LetterLanes } from '#library/consumer/letters/letter-lanes.js';
import { MissingHandlers } from '#library/consumer/handling/missing-handlers.js';
import type { Failure, FailurePolicy } from '#library/consumer/handling/outcome.js';
import { KeyedExecutor, NEXT } from '#library/executor/keyed-executor.js';
import { jsonCodec } from '#library/message/codec.js';
import type { Delivery } from '#library/message/delivery.js';
import type { ParkNote } from '#library/message/park-reason.js';
import { Parking } from '#library/parking/parking.js';
import { ManualClock } from '#library/testing/memory/manual-clock.js';
import { FakeParkedPort, NO_HISTORY } from '../../parking/fake-parked-port.js';
import { eventOf as eventOfAggregate, recordedLog } from './deliveries.js';

/** Three attempts, then blocked. */
export const policy: FailurePolicy = {
  retry: { attempts: 3, firstDelayMs: 100, factor: 2, maxDelayMs: 5_000, jitter: 0.5 },
  onExhausted: 'block',
};
/** How an attempt fails. */
export const failure = (stage: Failure['stage'] = 'handler', unrecoverable = false): Failure => ({
  stage,
  error: new Error('no stock'),
  unrecoverable,
});

export function eventOf(type = 'Placed', sequence = 7, aggregateId = 'order 1'): Delivery {
  return eventOfAggregate(aggregateId, sequence, type, { secret: 'hunter2' });
}

export interface FixtureOptions {
  readonly handle?: (event: Delivery) => PromiseLike<Failure | undefined> | Failure | undefined;
  /** The handler takes up to three events at once. */
  readonly handleAll?: BatchHandler['handleAll'];
  readonly handlerPolicy?: FailurePolicy;
  readonly failurePolicy?: FailurePolicy;
  readonly onUnhandledType?: OnUnhandledType;
  /** Aggregates that may be parked before the breaker opens. */
  readonly maxParked?: number;
  readonly random?: () => number;
  readonly mayStart?: () => boolean;
  readonly isCurrent?: () => boolean;
  readonly spans?: AttemptSpans;
}

/** Attempts over memory ports, by a manual clock. */
export function fixture(options: FixtureOptions = {}) {
  const {
    handleAll,
    handle = handleAll && ((event) => handleAll([event])),
    handlerPolicy = policy,
    failurePolicy = policy,
    maxParked = 20,
    random = () => 0,
  } = options;
  const { mayStart = () => true, isCurrent = () => true, onUnhandledType = 'ignore', spans } = options;
  const clock = new ManualClock(1_000);
  const log = recordedLog();
  const handled: number[] = [];
  const halted: string[] = [];
  const stuck: number[] = [];
  const measured: [ms: number, stage: string | undefined][] = [];
  const notices: [sequence: number, note: ParkNote][] = [];
  const port = new FakeParkedPort();
  /** Types that other replicas handle. */
  const elsewhere = new Set<string>();
  const name = 'orders/billing/0';
  const listener: LaneListener = {
    mayStart,
    isCurrent,
    settled: (event) => void handled.push(event.sequence),
    caughtUp: () => undefined,
    halt: (reason) => void halted.push(reason),
  };
  const handlers = new EventHandlers();
  if (handle !== undefined) {
    const batches = handleAll && { size: 3, handleAll };
    handlers.add('Placed', { failurePolicy: handlerPolicy, timeoutMs: 1_000, handle, batches });
  }
  const common = { name, clock, log, listener };
  const calls = new HandlerCalls({
    ...{ name, clock, log, topic: 'orders', codec: jsonCodec, handlers },
    listener: { stuck: (event) => void stuck.push(event.sequence) },
  });
  const breaker = new Breaker(
    { parked: maxParked, withinMs: 60_000, failedShare: 0.5, probeEveryMs: 700 },
    1,
  );
  const parking = new Parking({
    ...{ name, port, clock, log, history: NO_HISTORY },
    owner: { epoch: 1, created: 'then', runOf: () => 0, mayWrite: mayStart },
  });
  const letterLanes = new LetterLanes({
    ...common,
    ...{ parking, breaker, bytes: { limit: 1e9, held: 0, isSpent: false } },
    lanes: new KeyedExecutor<LaneEntry>({ concurrency: 1, clock, broke: () => NEXT, run: () => NEXT }),
    detours: { noteHeadHandled: () => undefined },
    observer: { parked: (event, note) => void notices.push([event.sequence, note]) },
  });
  const ends = new AttemptEnds({
    ...{ breaker, clock, attempts: { attempted: () => undefined } },
    times: new HandlerTimes(() => ({ handled: attempts.counts.handled, attempts: 0 })),
    observer: { attemptEnded: (ms, stage) => void measured.push([ms, stage]), spans },
  });
  const attempts: Attempts = new Attempts({
    ...common,
    ...{ calls, letterLanes, ends },
    failed: new FailedAttempts({
      calls,
      random,
      log,
      failures: new FailureLog('orders/billing', clock, log),
    }),
    missing: new MissingHandlers({
      ...{ name, onUnhandledType, clock, log },
      others: { handlesElsewhere: (type) => elsewhere.has(type) },
    }),
    policies: new AttemptPolicies(failurePolicy, onUnhandledType),
  });
  return {
    ...{ clock, log, handled, halted, attempts, calls, breaker, port, letterLanes, stuck, notices, measured },
    elsewhere,
    server: port.server,
  };
}
