import { AggregateTransportError } from '../../errors.js';
import { withExpectedSequence } from '../headers.js';

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
  /** The bytes of headers and body together, if they are known without being made. */
  readonly size?: number;
}

/** What an event must leave free of the largest message, so that a copy with our own notes on it always fits. */
const RESERVED_BYTES = 8_192;

/** The bytes of an event on the wire, headers included. */
export function sizeOf(event: OutgoingEvent): number {
  return event.size ?? event.body.length + event.headers.length;
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

/** The event with another header block. */
export function withHeaders(event: OutgoingEvent, headers: Uint8Array): OutgoingEvent {
  const { token, subject, messageId, body, expectedSequence, follows } = event;
  const changed = { token, subject, messageId, headers, body, expectedSequence };
  return follows === undefined ? changed : { ...changed, follows };
}

/** The event, to be stored directly after another one. */
export function following(event: OutgoingEvent, before: OutgoingEvent): OutgoingEvent {
  return { ...withHeaders(event, event.headers), follows: before };
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
