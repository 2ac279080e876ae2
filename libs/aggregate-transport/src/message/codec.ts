import { AggregateTransportError, hasCode } from '../errors.js';
import { isThenable, kindOf, muteRejection } from '../foreign.js';
import type { Envelope } from './envelope.js';
import { findJsonObstacle } from './json-obstacle.js';
import { lossError, requireJson } from './json.js';

/**
 * Turns envelopes into bytes and back. A topic's publishers and handlers must agree on it.
 * Both directions are synchronous and must not keep or change what they are given.
 */
export interface Codec {
  /**
   * May throw anything; the event is then refused with PAYLOAD_NOT_SERIALIZABLE. The bytes belong to the event from
   * then on, so a buffer that is used again is not allowed.
   */
  encode(envelope: Envelope): Uint8Array;
  /**
   * May throw anything; the event then counts as undecodable. The result is checked field by field. `readHeaders` gives
   * the message's headers, the server's own included. Call it only where they matter: reading them takes time.
   */
  decode(bytes: Uint8Array, readHeaders?: ReadHeaders): unknown;
  /**
   * Headers that the body needs beside it. Asked once per event, after `encode`. May throw, or answer what no header
   * can carry: the event is then refused with PAYLOAD_NOT_SERIALIZABLE. An event whose own header has such a name is
   * refused with HEADER_RESERVED. @default none
   */
  headersOf?(envelope: Envelope): Readonly<Record<string, string>>;
}

/** What a codec's bodies are, for documents. A codec of the application's own does not say it. */
export type CodecFormat = 'json' | 'cloudevents' | 'cloudevents-binary';

/** The same symbol in two copies of this library in one process. */
const FORMAT = Symbol.for('aggregate-transport.codec-format');

/** @internal Notes what a codec writes, as a property that nothing lists. */
export function withFormat(codec: Codec, format: CodecFormat): Codec {
  return Object.defineProperty(codec, FORMAT, { value: format });
}

/** @internal What a codec writes; undefined for one of the application's own. */
export function formatOf(codec: Codec): CodecFormat | undefined {
  return (codec as { [FORMAT]?: CodecFormat })[FORMAT];
}

/** Gives the headers of a message. */
export type ReadHeaders = () => Readonly<Record<string, string>>;

/**
 * UTF-8 JSON, field names as in {@link Envelope}. Refuses a payload that would arrive as another value, such as a Map
 * or NaN, with PAYLOAD_NOT_SERIALIZABLE. A codec of your own decides for itself what it carries.
 */
export const jsonCodec: Codec = withFormat(
  {
    encode: (envelope) => Buffer.from(toJson(envelope), 'utf8'),
    decode: (bytes) => JSON.parse(asBuffer(bytes).toString('utf8')) as unknown,
  },
  'json',
);

/**
 * The JSON of an envelope, or of another value that holds its payload.
 * @throws PAYLOAD_NOT_SERIALIZABLE with the place that JSON cannot carry; anything else that a getter throws
 */
export function toJson(envelope: Envelope, value: unknown = envelope): string {
  const text = written(envelope, value);
  requireJson(envelope.payload, envelope.event_type);
  return text;
}

function written(envelope: Envelope, value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    const obstacle = findJsonObstacle(envelope.payload);
    throw obstacle === undefined ? cause : lossError(obstacle, envelope.event_type, cause);
  }
}

/** What comes from a socket is a Buffer already, and a view costs as much as reading the text. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * The bytes of {@link jsonCodec}, as the text they are made of.
 * @throws PAYLOAD_NOT_SERIALIZABLE as {@link encodeEnvelope}
 */
export function encodeAsText(envelope: Envelope): string {
  try {
    return toJson(envelope);
  } catch (cause) {
    throw notSerializable(envelope, cause);
  }
}

function notSerializable({ event_type: type }: Envelope, cause: unknown): unknown {
  if (hasCode(cause, 'PAYLOAD_NOT_SERIALIZABLE')) return cause;
  return new AggregateTransportError(
    'PAYLOAD_NOT_SERIALIZABLE',
    `expected a payload the codec can write, found one of event type "${type}" that it cannot; ` +
      'nothing was sent: pass what the codec carries',
    { cause },
  );
}

/** @throws PAYLOAD_NOT_SERIALIZABLE: the JSON codec's own, or with the codec's error as `cause` */
export function encodeEnvelope(codec: Codec, envelope: Envelope): Uint8Array {
  let bytes: unknown;
  try {
    bytes = codec.encode(envelope);
  } catch (cause) {
    throw notSerializable(envelope, cause);
  }
  if (bytes instanceof Uint8Array) return bytes;
  muteRejection(bytes);
  throw new AggregateTransportError(
    'PAYLOAD_NOT_SERIALIZABLE',
    `expected codec.encode to give a Uint8Array at once, found ${kindOf(bytes)} for an event of type ` +
      `"${envelope.event_type}"; nothing was sent: correct the codec`,
  );
}

/** @throws ENVELOPE_INVALID with the codec's own error as `cause`, also for a codec that answers a promise */
export function decodeBody(codec: Codec, bytes: Uint8Array, readHeaders: ReadHeaders): unknown {
  let value: unknown;
  try {
    value = codec.decode(bytes, readHeaders);
  } catch (cause) {
    throw new AggregateTransportError(
      'ENVELOPE_INVALID',
      `expected ${bytes.length} bytes the codec can read, found others; ` +
        'publisher and handler of a topic must use one codec',
      { cause },
    );
  }
  if (codec === jsonCodec || !isThenable(value)) return value;
  muteRejection(value);
  throw new AggregateTransportError(
    'ENVELOPE_INVALID',
    `expected codec.decode to give a value at once, found ${kindOf(value)}; correct the codec`,
  );
}
