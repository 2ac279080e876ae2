import type { HandlerTimes, PartitionAnswer, PauseAnswer } from '../../asking/answers.js';
import { shortTextOf } from '../../asking/error-answer.js';
import type { HandlerTimesView } from '../../consumer/lanes/handler-times.js';
import type { PartitionLoad } from '../../consumer/partition-status.js';
import type { ObservedPartition } from '../observed.js';

/** A partition that this process owns, as an answer tells of it. `now` is on the clock. */
export function partitionAnswerOf(of: ObservedPartition, now: number): PartitionAnswer {
  const { consumer, counts, lease, renewedAt } = of;
  const { load, inside } = consumer;
  const { times, ...rates } = inside.times;
  const { settled } = inside;
  const pause = pauseOf(load, inside.isDraining);
  const failed = Object.values(counts.failedIn).reduce((sum, one) => sum + one, counts.replaysFailed);
  return {
    partition: of.partition,
    epoch: lease.epoch,
    ...(Number.isFinite(renewedAt) ? { leaseAgeMs: Math.round(now - renewedAt) } : {}),
    mode: load.mode,
    running: load.inFlight,
    waiting: Math.max(0, load.events - load.inFlight),
    aggregates: load.lanes,
    parked: load.parked,
    bytes: load.bytes,
    handled: counts.handled + counts.replayed,
    failed,
    ...ratesOf(rates),
    ...(times === undefined ? {} : { handlerMs: rounded(times) }),
    ...(settled === undefined ? {} : { position: settled }),
    ...(pause === undefined ? {} : { pause }),
  };
}

function ratesOf({
  eventsPerSecond: events,
  attemptsPerSecond: attempts,
}: Omit<HandlerTimesView, 'times'>): Pick<PartitionAnswer, 'eventsPerSecond' | 'attemptsPerSecond'> {
  return {
    ...(events === undefined ? {} : { eventsPerSecond: round(events) }),
    ...(attempts === undefined ? {} : { attemptsPerSecond: round(attempts) }),
  };
}

function rounded({ p50, p99, longest, sampled }: HandlerTimes): HandlerTimes {
  return { p50: round(p50), p99: round(p99), longest: round(longest), sampled };
}

/** Three digits behind the point. */
function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}

/** A server that restarts takes less: an answer that is late for a moment is no pause. */
const LATE_MS = 3_500;

/** What holds the partition up; the most serious cause. Pure. */
function pauseOf(load: PartitionLoad, isDraining: boolean): PauseAnswer | undefined {
  const { mode, haltReason, notCommittingMs, notReadingMs, letterRefusal, typeWait, breaker } = load;
  if (mode === 'halted') return { kind: 'halted', why: shortTextOf(haltReason ?? 'for a reason in its log') };
  if (notCommittingMs > LATE_MS) return late('not committing', load.notCommittingWhy, notCommittingMs);
  if (notReadingMs > LATE_MS) return late('not reading', load.notReadingWhy, notReadingMs);
  if (mode === 'claiming') return { kind: 'claiming', why: 'its position is being claimed' };
  if (isDraining || mode === 'drained')
    return { kind: 'draining', why: 'its running handlers end before another owner or layout takes over' };
  if (breaker.isOpen)
    return { kind: 'breaker', why: 'most attempts fail, so one aggregate is tried at a time' };
  if (letterRefusal !== undefined) return { kind: 'letters refused', why: shortTextOf(letterRefusal) };
  if (typeWait === undefined) return undefined;
  const why = `events of type "${typeWait.type}" wait: only other replicas handle it`;
  return { kind: 'type waits', why: shortTextOf(why), forMs: Math.round(typeWait.forMs) };
}

function late(kind: 'not committing' | 'not reading', why: string | undefined, forMs: number): PauseAnswer {
  return { kind, why: shortTextOf(why ?? 'no answer'), forMs: Math.round(forMs) };
}
