import { AggregateTransportError } from '../errors.js';
import { type Codec, encodeEnvelope } from './codec.js';
import { requireEvent, toEnvelope } from './envelope.js';
import type { AggregateEvent } from './event.js';
import { checkUserHeaders, encodeHeaders, messageIdOf, withExpectedSequence } from './headers.js';
import { subjectOf, tokenOf } from './subject.js';

/** One event ready for the wire: encoded, with the subject and the headers it is always sent with. */
export interface OutgoingEvent {
  readonly token: string;
  readonly subject: string;
  readonly messageId: string;
  readonly headers: Uint8Array;
  readonly body: Uint8Array;
  /** The aggregate's last sequence the caller expects; undefined if any will do. */
  readonly expectedSequence: number | undefined;
  /** The event of the same list that must be stored directly before it; undefined if any may be. */
  readonly follows?: OutgoingEvent;
}

export interface PrepareOptions {
  readonly topic: string;
  readonly codec: Codec;
  /** The largest message the server takes. */
  readonly maxPayloadBytes: number;
  /** Now, in milliseconds since 1970. */
  readonly wallMs: number;
}

/** What an event must leave free of the largest message, so that a copy with our own notes on it always fits. */
const RESERVED_BYTES = 8_192;

/**
 * Checks an event and encodes it.
 * @throws AGGREGATE_ID_INVALID, EVENT_INVALID, PAYLOAD_NOT_SERIALIZABLE, EVENT_TOO_LARGE, HEADER_RESERVED
 */
export function prepareEvent(event: AggregateEvent, options: PrepareOptions): OutgoingEvent {
  requireEvent(event);
  const token = tokenOf(event.aggregateId);
  const envelope = toEnvelope(event, options.wallMs);
  if (event.headers !== undefined) checkUserHeaders(event.headers);
  const expectedSequence = event.expectedSequence;
  if (expectedSequence !== undefined && (!Number.isSafeInteger(expectedSequence) || expectedSequence < 0)) {
    throw new AggregateTransportError(
      'EVENT_INVALID',
      'expected event.expectedSequence to be a whole number from 0, found another value; nothing was sent',
    );
  }
  const body = encodeEnvelope(options.codec, envelope);
  const messageId = messageIdOf(token, envelope.event_id);
  const headers = encodeHeaders(messageId, expectedSequence, event.headers);
  const subject = subjectOf(options.topic, token);
  const outgoing = { token, subject, messageId, headers, body, expectedSequence };
  if (sizeOf(outgoing) > largestEventBytes(options.maxPayloadBytes)) {
    throw tooLarge(outgoing, options.maxPayloadBytes);
  }
  return outgoing;
}

/** The bytes of an event on the wire, headers included. */
export function sizeOf({ body, headers }: Pick<OutgoingEvent, 'body' | 'headers'>): number {
  return body.length + headers.length;
}

/** The largest event that a publisher accepts while the server takes messages of `maxPayloadBytes`. */
export function largestEventBytes(maxPayloadBytes: number): number {
  return maxPayloadBytes - RESERVED_BYTES;
}

/** The error of an event that is larger than {@link largestEventBytes}. */
export function tooLarge(outgoing: OutgoingEvent, maxPayloadBytes: number): AggregateTransportError {
  return new AggregateTransportError(
    'EVENT_TOO_LARGE',
    `expected an event of at most ${largestEventBytes(maxPayloadBytes)} bytes (the server's max_payload less ` +
      `${RESERVED_BYTES}), found ${sizeOf(outgoing)}; it is not stored: make it smaller or raise max_payload`,
  );
}

/** The event, expecting that its aggregate's last event has this sequence. */
export function expecting(event: OutgoingEvent, sequence: number): OutgoingEvent {
  const { token, subject, messageId, headers, body } = event;
  return {
    ...{ token, subject, messageId, body },
    headers: withExpectedSequence(headers, sequence),
    expectedSequence: sequence,
  };
}
