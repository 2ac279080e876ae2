import type { PartitionObserver } from '../consumer/partition-options.js';
import { describeError, errorFields } from '../errors.js';
import type { Log } from '../log.js';
import type { ParkReason } from '../message/park-reason.js';

/** Which aggregate a hook is told of. */
export interface AggregateNotice {
  /** The topic of its events. */
  readonly topic: string;
  /** The group that handles them. */
  readonly group: string;
  /** The group's partition, from 0. */
  readonly partition: number;
  /** Its id. */
  readonly aggregateId: string;
}

/** An aggregate that was parked, and why. */
export interface ParkedNotice extends AggregateNotice {
  /** Why it was parked. */
  readonly reason: ParkReason;
  /** The text of the last attempt's error. */
  readonly error: string;
  /** Attempts at the event that failed. */
  readonly attempts: number;
  /** The trace of the last attempt, if attempts are traced. */
  readonly traceId?: string;
  /** Of the event that failed, in the topic's stream. */
  readonly sequence: number;
}

/** An aggregate whose handler has not settled for twice its `timeoutMs`. */
export interface StuckNotice extends AggregateNotice {
  /** Of the event that is handled, in the topic's stream. */
  readonly sequence: number;
  /** Its type; undefined if its body was not decoded. */
  readonly type: string | undefined;
  /** How long its handler has been running, in milliseconds. */
  readonly ageMs: number;
}

/**
 * What a service wants to hear of, to raise an alert. What a hook throws or rejects with is logged, and changes
 * nothing.
 */
export interface AggregateHooks {
  /** The event's letter is stored and its aggregate parked. */
  onParked?: (notice: ParkedNotice) => unknown;
  /** All letters are handled or dropped; the aggregate is live again. */
  onUnparked?: (notice: AggregateNotice) => unknown;
  /** A handler has not settled for twice its `timeoutMs`; said once per attempt. */
  onStuck?: (notice: StuckNotice) => unknown;
}

/** The hooks of one partition. */
export function observerOf(
  hooks: AggregateHooks,
  where: Omit<AggregateNotice, 'aggregateId'>,
  log: Log,
): PartitionObserver {
  const call = <T>(
    name: keyof AggregateHooks,
    find: () => ((notice: T) => unknown) | undefined,
    notice: T,
  ): void => {
    Promise.resolve()
      .then(() => find()?.(notice))
      .catch((error: unknown) =>
        log.write(
          'hook-failed',
          { hook: name, ...where, ...errorFields(error) },
          `hooks.${name} failed: ${describeError(error)}`,
          error,
        ),
      );
  };
  return {
    parked: ({ aggregateId, sequence, trace }, { reason, error, attempts }) =>
      call('onParked', () => hooks.onParked, {
        ...where,
        ...{ aggregateId, sequence, reason, error, attempts },
        ...(trace?.traceId === undefined ? {} : { traceId: trace.traceId }),
      }),
    unparked: (aggregateId) => call('onUnparked', () => hooks.onUnparked, { ...where, aggregateId }),
    stuck: ({ aggregateId, sequence, envelope }, ageMs) =>
      call('onStuck', () => hooks.onStuck, {
        ...where,
        aggregateId,
        sequence,
        type: envelope?.event_type,
        ageMs,
      }),
  };
}
