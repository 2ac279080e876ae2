import { AggregateTransportError } from '../../errors.js';
import { type Codec, decodeBody, encodeEnvelope } from '../../message/codec.js';
import { checkEnvelope, type Envelope } from '../../message/envelope.js';

/** An event as it is stored: a codec may write a part of it into headers. */
export interface EventContent {
  readonly body: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

/** The envelope of an event; undefined if there is none. */
export function envelopeIn(codec: Codec, event: EventContent, aggregateId: string): Envelope | undefined {
  try {
    return envelopeOf(codec, event, aggregateId);
  } catch {
    return undefined;
  }
}

/**
 * The body of an event with another payload. All that the envelope says besides stays.
 * @throws ENVELOPE_INVALID if the body has no envelope: write the whole body then
 * @throws PAYLOAD_NOT_SERIALIZABLE, EVENT_INVALID for undefined
 */
export function withPayload(
  codec: Codec,
  { aggregateId, ...event }: EventContent & { readonly aggregateId: string },
  payload: unknown,
): Uint8Array {
  if (payload === undefined) {
    throw new AggregateTransportError(
      'EVENT_INVALID',
      'expected a payload, found undefined; nothing was changed (null is a payload)',
    );
  }
  const envelope = envelopeOf(codec, event, aggregateId);
  return encodeEnvelope(codec, { ...envelope, payload });
}

/**
 * A whole body, checked as its handler's process checks it.
 * @throws ENVELOPE_INVALID
 */
export function wholeBody(codec: Codec, event: EventContent, aggregateId: string): Uint8Array {
  envelopeOf(codec, event, aggregateId);
  return event.body;
}

function envelopeOf(codec: Codec, { body, headers }: EventContent, aggregateId: string): Envelope {
  return checkEnvelope(
    decodeBody(codec, body, () => headers),
    aggregateId,
  );
}
