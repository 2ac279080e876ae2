import { AggregateTransportError } from '../errors.js';
import { isThenable, kindOf, muteRejection } from '../foreign.js';
import type { Envelope } from './envelope.js';

/**
 * Turns envelopes into bytes and back. A topic's publishers and handlers must agree on it.
 * Both directions are synchronous and must not keep or change what they are given.
 */
export interface Codec {
  /** May throw anything; the event is then refused with PAYLOAD_NOT_SERIALIZABLE. */
  encode(envelope: Envelope): Uint8Array;
  /** May throw anything; the event then counts as undecodable. The result is checked field by field. */
  decode(bytes: Uint8Array): unknown;
}

/** UTF-8 JSON, field names as in {@link Envelope}. */
export const jsonCodec: Codec = {
  encode: (envelope) => {
    if (vanishes(envelope.payload)) throw new TypeError('JSON leaves the payload out');
    return Buffer.from(JSON.stringify(envelope), 'utf8');
  },
  decode: (bytes) => JSON.parse(asBuffer(bytes).toString('utf8')) as unknown,
};

/** What comes from a socket is a Buffer already, and a view costs as much as reading the text. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** JSON leaves functions, symbols and what a toJSON returns as undefined out without a word. */
function vanishes(payload: unknown): boolean {
  if (typeof payload !== 'object' || payload === null)
    return typeof payload === 'function' || typeof payload === 'symbol';
  return 'toJSON' in payload && (JSON.stringify(payload) as string | undefined) === undefined;
}

/** @throws PAYLOAD_NOT_SERIALIZABLE with the codec's own error as `cause` */
export function encodeEnvelope(codec: Codec, envelope: Envelope): Uint8Array {
  try {
    const bytes: unknown = codec.encode(envelope);
    if (!(bytes instanceof Uint8Array)) {
      muteRejection(bytes);
      throw new TypeError(
        `expected a codec whose encode answers a Uint8Array at once, found ${kindOf(bytes)}`,
      );
    }
    return bytes;
  } catch (cause) {
    throw new AggregateTransportError(
      'PAYLOAD_NOT_SERIALIZABLE',
      `expected a payload the codec can write, found one of event type "${envelope.event_type}" that it cannot; ` +
        'nothing was sent (with JSON: no cycles, no BigInt)',
      { cause },
    );
  }
}

/** @throws ENVELOPE_INVALID with the codec's own error as `cause`, also for a codec that answers a promise */
export function decodeBody(codec: Codec, bytes: Uint8Array): unknown {
  try {
    const decoded = codec.decode(bytes);
    if (codec !== jsonCodec && isThenable(decoded)) {
      muteRejection(decoded);
      throw new TypeError(
        'expected a codec whose decode answers at once, found a promise; make it synchronous',
      );
    }
    return decoded;
  } catch (cause) {
    throw new AggregateTransportError(
      'ENVELOPE_INVALID',
      `expected ${bytes.length} bytes the codec can read, found others; ` +
        'publisher and handler of a topic must use one codec',
      { cause },
    );
  }
}
