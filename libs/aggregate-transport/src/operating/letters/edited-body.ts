import { AggregateTransportError } from '../../errors.js';
import { type Codec, decodeBody, encodeEnvelope } from '../../message/codec.js';
import { checkEnvelope, type Envelope } from '../../message/envelope.js';

/** The envelope in a body; undefined if there is none. */
export function envelopeIn(codec: Codec, body: Uint8Array, aggregateId: string): Envelope | undefined {
  try {
    return checkEnvelope(decodeBody(codec, body), aggregateId);
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
  { body, aggregateId }: { readonly body: Uint8Array; readonly aggregateId: string },
  payload: unknown,
): Uint8Array {
  if (payload === undefined) {
    throw new AggregateTransportError(
      'EVENT_INVALID',
      'expected a payload, found undefined; nothing was changed (null is a payload)',
    );
  }
  const envelope = checkEnvelope(decodeBody(codec, body), aggregateId);
  return encodeEnvelope(codec, { ...envelope, payload });
}

/**
 * A whole body, checked as its handler's process checks it.
 * @throws ENVELOPE_INVALID
 */
export function wholeBody(codec: Codec, body: Uint8Array, aggregateId: string): Uint8Array {
  checkEnvelope(decodeBody(codec, body), aggregateId);
  return body;
}
