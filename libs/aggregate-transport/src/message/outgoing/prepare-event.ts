import { AggregateTransportError } from '../../errors.js';
import { type Codec, encodeAsText, encodeEnvelope, jsonCodec } from '../codec.js';
import { type Envelope, requireEvent, toEnvelope } from '../envelope.js';
import type { AggregateEvent } from '../event.js';
import { checkUserHeaders, encodeHeaders, messageIdOf } from '../headers.js';
import { withCodecHeaders } from './codec-headers.js';
import { subjectOf, tokenOf } from '../subject.js';
import { JsonEvent } from './json-event.js';
import { largestEventBytes, type OutgoingEvent, sizeOf, tooLarge } from './outgoing-event.js';

export interface PrepareOptions {
  readonly topic: string;
  readonly codec: Codec;
  /** The largest message the server takes. */
  readonly maxPayloadBytes: number;
  /** Now, in milliseconds since 1970. */
  readonly wallMs: number;
  /** The version of an event that names none, by its type; undefined where no type has a declared one. */
  readonly versionOf?: ((type: string) => number | undefined) | undefined;
  /**
   * Headers that tell the event's trace, in ASCII, under names that the event does not have. They are left out if the
   * event would be too large with them: a trace is never the reason to refuse an event.
   */
  readonly trace?: Readonly<Record<string, string>> | undefined;
}

/**
 * Checks an event and encodes it.
 * @throws AGGREGATE_ID_INVALID, EVENT_INVALID, PAYLOAD_NOT_SERIALIZABLE, EVENT_TOO_LARGE, HEADER_RESERVED
 */
export function prepareEvent(event: AggregateEvent, options: PrepareOptions): OutgoingEvent {
  requireEvent(event);
  const token = tokenOf(event.aggregateId);
  const envelope = toEnvelope(event, options.wallMs, options.versionOf?.(event.type));
  if (event.headers !== undefined) checkUserHeaders(event.headers);
  const expectedSequence = event.expectedSequence;
  if (expectedSequence !== undefined && (!Number.isSafeInteger(expectedSequence) || expectedSequence < 0)) {
    throw new AggregateTransportError(
      'EVENT_INVALID',
      'expected event.expectedSequence to be a whole number from 0, found another value; nothing was sent',
    );
  }
  const largest = largestEventBytes(options.maxPayloadBytes);
  const place = { token, expectedSequence };
  if (options.trace !== undefined) {
    const traced = encoded(event, envelope, place, options);
    if (sizeOf(traced) <= largest) return traced;
  }
  const outgoing = encoded(event, envelope, place, { ...options, trace: undefined });
  if (sizeOf(outgoing) > largest) throw tooLarge(outgoing, options.maxPayloadBytes);
  return outgoing;
}

function encoded(
  { headers }: AggregateEvent,
  envelope: Envelope,
  { token, expectedSequence }: Pick<OutgoingEvent, 'token' | 'expectedSequence'>,
  { codec, topic, trace }: PrepareOptions,
): OutgoingEvent {
  const { event_id: eventId } = envelope;
  if (codec === jsonCodec && headers === undefined && expectedSequence === undefined)
    return new JsonEvent({ topic, token, eventId }, encodeAsText(envelope), linesOf(trace));
  const messageId = messageIdOf(token, eventId);
  return {
    ...{ token, messageId, expectedSequence, subject: subjectOf(topic, token) },
    body: encodeEnvelope(codec, envelope),
    headers: encodeHeaders(messageId, expectedSequence, withCodecHeaders(codec, envelope, headers, trace)),
  };
}

/** Header lines, each with its line break before it. */
function linesOf(headers: PrepareOptions['trace']): string {
  let lines = '';
  for (const name in headers) lines += `\r\n${name}: ${headers[name] ?? ''}`;
  return lines;
}
