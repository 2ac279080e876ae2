import { AggregateTransportError } from '../errors.js';
import { tooLarge } from '../message/outgoing/outgoing-event.js';
import type { QueuedEvent } from './publish-queue.js';
import { describeAnswer, type Refusal } from './server-answer.js';

/** The errors of publish calls, one function for each reason. */

export function closed(): AggregateTransportError {
  return new AggregateTransportError(
    'PUBLISHER_CLOSED',
    'expected an open publisher, found one that was closed; the event is not stored',
  );
}

/** The error of an event that is queued when the publisher ends for the reason `end`. */
export function endedBy(end: AggregateTransportError, event: QueuedEvent): AggregateTransportError {
  if (event.sends === 0 || event.isRefused) return end;
  const answer = event.lastAnswer === undefined ? '' : `; the last answer was "${event.lastAnswer}"`;
  const why =
    end.code === 'CONNECTION_CLOSED' ? 'the connection is closed for good' : 'the publisher was closed';
  return new AggregateTransportError(
    'OUTCOME_UNKNOWN',
    `the event was sent ${event.sends} time(s) and may be stored or not: ${why}${answer}; ` +
      'publish it again, under its own id, before any later one',
    { cause: end },
  );
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

/** The server refused the event: it is not stored. */
export function rejected(event: QueuedEvent, topic: string, answer: Refusal): AggregateTransportError {
  const remedy =
    answer.kind === 'unavailable' && answer.refusal === 'full'
      ? 'make room in the stream, or raise its limits, and publish it again'
      : 'correct what the server names, and publish it again';
  const found = describeAnswer(answer);
  const isForNow = answer.kind === 'unavailable' || answer.concernsAll === true;
  return notStored(event, topic, { found, remedy, isForNow });
}

/** The server refused every copy of a late event: it is not stored. */
export function rejectedLate(event: QueuedEvent, topic: string): AggregateTransportError {
  const found = event.lastAnswer ?? 'no reason';
  const remedy = 'correct what the server names, and publish it again';
  return notStored(event, topic, { found, remedy, isForNow: true });
}

function notStored(
  event: QueuedEvent,
  topic: string,
  {
    found,
    remedy,
    isForNow,
  }: { readonly found: string; readonly remedy: string; readonly isForNow: boolean },
): AggregateTransportError {
  const message =
    `expected the stream of topic "${topic}" to store the event, found that the server refused it ` +
    `(${found}) after ${event.sends} send(s); it is not stored: ${remedy}`;
  return new PublishRejectedError(message, isForNow, found);
}

/** The server refused an event. No copy of it is stored. */
export class PublishRejectedError extends AggregateTransportError {
  constructor(
    message: string,
    /**
     * Another time the same event may be stored. The stream is full, sealed or missing, or has no leader. Or the user
     * lacks the permission.
     */
    readonly isForNow: boolean,
    /** What the server said, for a text with a remedy of its own. */
    readonly found: string,
  ) {
    super('PUBLISH_REJECTED', message);
  }
}

/** The event fitted when it was accepted. The server takes less now, and stored no copy. */
export function outgrown({ outgoing }: QueuedEvent, maxPayloadBytes: number): AggregateTransportError {
  return tooLarge(outgoing, maxPayloadBytes);
}

export function conflict(event: QueuedEvent, actual: number): AggregateTransportError {
  return new SequenceConflictError(event.outgoing.expectedSequence ?? 0, actual);
}

export function sequenceUnknown({ outgoing }: QueuedEvent): AggregateTransportError {
  return new AggregateTransportError(
    'SEQUENCE_UNKNOWN',
    `expected ${outgoing.expectedSequence} as the sequence of the aggregate's last event, found 0, but the aggregate's ` +
      'events were dropped by the stream; the event is not stored: if it continues what you had stored, expect 0',
  );
}

/** The aggregate's last event is not the one the caller expected. */
export class SequenceConflictError extends AggregateTransportError {
  constructor(
    /** What the call expected; 0 for no event. */
    readonly expectedSequence: number,
    /** The sequence of the aggregate's last event; 0 if the stream holds none. */
    readonly actualSequence: number,
  ) {
    super(
      'SEQUENCE_CONFLICT',
      `expected ${expectedSequence} as the sequence of the aggregate's last event, found ${actualSequence}; ` +
        'the event is not stored: read the aggregate and decide again',
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

/** The error of an event that is stored with all of its list or not at all. */
export function refusedTogether(cause: Error): AggregateTransportError {
  return new AggregateTransportError(
    'PREDECESSOR_REJECTED',
    'another event of the same list was refused; this one was not sent, so that none is stored without it',
    { cause },
  );
}

/** The error of an event whose predecessor in its list was not queued. */
export function predecessorMissing(): AggregateTransportError {
  return new AggregateTransportError(
    'PREDECESSOR_REJECTED',
    'the event before it in the list was not accepted; this one is not stored, so that none is stored without it',
  );
}

export function outcomeUnknown(event: QueuedEvent, why: string): AggregateTransportError {
  return new AggregateTransportError(
    'OUTCOME_UNKNOWN',
    `the event was sent ${event.sends} time(s) and may be stored or not: ${why}; ` +
      'its aggregate accepts no event until the outcome is known, or resume() is called',
  );
}

export function predecessorUnknown(): AggregateTransportError {
  return new AggregateTransportError(
    'PREDECESSOR_UNKNOWN',
    'the outcome of an earlier event of this aggregate is unknown; this one is not stored, ' +
      'so that none is stored without it',
  );
}

/** The error of an event after one whose outcome is unknown. If it was sent in the same batch, it is unknown, too. */
export function followsUnknown(event: QueuedEvent, why: string): AggregateTransportError {
  return event.sends > 0 && !event.isRefused ? outcomeUnknown(event, why) : predecessorUnknown();
}
