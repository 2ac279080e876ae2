import type { ChainOutcome } from 'nestjs-aggregate-transport';
import { AggregateTransportError, PublishRejectedError } from 'nestjs-aggregate-transport';

/**
 * What follows an error of a publish call:
 *
 * - `look up`: another event stands where this one was expected, or the expected one is gone. Look at once.
 * - `retry`: nothing is wrong with the event. Look again after a pause.
 * - `resume`: the same, and the sequencer keeps the aggregate closed because of this event. The relay opens it: each
 *   copy expects the same predecessor, so two copies cannot both be stored.
 * - `stop`: the event was refused for good, and is not stored.
 */
export type Consequence = 'look up' | 'retry' | 'resume' | 'stop';

/** Refused for what the event is: another attempt would end the same way. */
const FOR_GOOD: ReadonlySet<string> = new Set([
  'EVENT_TOO_LARGE',
  'EVENT_INVALID',
  'AGGREGATE_ID_INVALID',
  'HEADER_RESERVED',
  'PAYLOAD_NOT_SERIALIZABLE',
]);

/** Pure. An error that is not known is tried again: to stop an aggregate needs a reason. */
export function consequenceOf(error: AggregateTransportError): Consequence {
  if (error instanceof PublishRejectedError) return error.isForNow ? 'retry' : 'stop';
  if (FOR_GOOD.has(error.code)) return 'stop';
  if (error.code === 'SEQUENCE_CONFLICT' || error.code === 'SEQUENCE_UNKNOWN') return 'look up';
  return error.code === 'OUTCOME_UNKNOWN' ? 'resume' : 'retry';
}

/**
 * Why an event was refused. Pure. It names no remedy of a publish call: here an operator corrects the cause and
 * retries.
 */
export function reasonOf(error: AggregateTransportError): string {
  if (!(error instanceof PublishRejectedError)) return error.message;
  return `expected the stream to store the event, found that the server refused it: ${error.found}`;
}

/** How a chain of events ended, in words of the relay. */
export interface ChainEnd {
  /** How many events are stored, from the first on. */
  readonly stored: number;
  /** The sequence of the last of them; undefined if none is stored. */
  readonly last: number | undefined;
  /** Of the first event that is not stored; undefined if all are. */
  readonly failure: AggregateTransportError | undefined;
}

/**
 * Reads the outcomes of a chain. Pure. A receipt after a failure does not count: the events between are not known, and
 * the look-up that follows finds the stored ones.
 */
export function chainEndOf(outcomes: readonly ChainOutcome[]): ChainEnd {
  let last: number | undefined;
  for (const [index, outcome] of outcomes.entries()) {
    if (outcome instanceof AggregateTransportError) return { stored: index, last, failure: outcome };
    last = outcome.sequence;
  }
  return { stored: outcomes.length, last, failure: undefined };
}
