import { AggregateTransportError } from '../errors.js';
import type { QueuedEvent } from './publish-queue.js';

/** Every reason a publish call ends without a receipt, in words. */

export function closed(): AggregateTransportError {
  return new AggregateTransportError(
    'PUBLISHER_CLOSED',
    'expected an open publisher, found one that was closed; the event is not stored',
  );
}

/** Of an event that is in line when the publisher is closed. */
export function calledOffByClose(entry: QueuedEvent): AggregateTransportError {
  return entry.sends > 0 ? outcomeUnknown(entry, 'the publisher was closed') : closed();
}

export function aborted(reason: unknown): AggregateTransportError {
  return new AggregateTransportError('ABORTED', 'the caller aborted before the event was sent', {
    cause: reason,
  });
}

export function saturated(limit: number): AggregateTransportError {
  return new AggregateTransportError(
    'PUBLISHER_SATURATED',
    `expected at most ${limit} events without an outcome (publish.maxPending + publish.maxBlocked), found as many; ` +
      'the event was never sent: await earlier publish calls',
  );
}

export function rejected(
  entry: QueuedEvent,
  topic: string,
  answer: { errorCode: number; description: string },
): AggregateTransportError {
  return new AggregateTransportError(
    'PUBLISH_REJECTED',
    `expected the stream of topic "${topic}" to store the event, found that the server refused it ` +
      `(${answer.errorCode}: ${answer.description}) after ${entry.sends} send(s); it is not stored`,
  );
}

export function conflict(entry: QueuedEvent, actual: number): AggregateTransportError {
  return new SequenceConflictError(entry.event.expectedSequence ?? 0, actual);
}

/** The aggregate's last event is not the one the caller expected. */
export class SequenceConflictError extends AggregateTransportError {
  constructor(
    readonly expectedSequence: number,
    readonly actualSequence: number,
  ) {
    super(
      'SEQUENCE_CONFLICT',
      `expected ${expectedSequence} as the sequence of the aggregate's last event, found ${actualSequence}; ` +
        'the event is not stored: read the aggregate again and decide anew',
    );
  }
}

export function predecessorRejected(cause: Error): AggregateTransportError {
  return new AggregateTransportError(
    'PREDECESSOR_REJECTED',
    'an earlier event of this aggregate was refused; this one is not stored, so that none is stored without it',
    { cause },
  );
}

export function outcomeUnknown(entry: QueuedEvent, why: string): AggregateTransportError {
  return new AggregateTransportError(
    'OUTCOME_UNKNOWN',
    `the event was sent ${entry.sends} time(s) and may be stored or not: ${why}; ` +
      'its aggregate accepts no event until the stream tells, or resume() is called',
  );
}

export function predecessorUnknown(): AggregateTransportError {
  return new AggregateTransportError(
    'PREDECESSOR_UNKNOWN',
    'the outcome of an earlier event of this aggregate is unknown; this one is not stored, so that none is stored without it',
  );
}

/** Of an event behind one whose outcome is unknown: in one batch with it, it shares its fate. */
export function behindUnknown(follower: QueuedEvent): AggregateTransportError {
  return follower.sends > 0 ? outcomeUnknown(follower, 'no answer to its batch') : predecessorUnknown();
}
