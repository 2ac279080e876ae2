import { AggregateTransportError } from '../../errors.js';
import { type Codec, jsonCodec, type ReadHeaders, toJson, withFormat } from '../codec.js';
import type { Envelope } from '../envelope.js';
import { attributesOfHeaders, headerOf, headersOfAttributes } from './attribute-headers.js';
import { attributesOf, envelopeOf, isJsonData, JSON_DATA } from './attributes.js';

/** What {@link cloudEventsCodec} writes. */
export interface CloudEventsOptions {
  /**
   * The attribute `source` of every event: a URI reference that names the service, such as `/orders` or
   * `urn:acme:orders`. Readers of CloudEvents expect source and id together to be unique.
   */
  source: string;
  /**
   * `structured`: one JSON object with attributes and data. `binary`: attributes in headers `ce-…`, the payload alone
   * in the body. Decides what is written. Both are read. @default 'structured'
   */
  mode?: 'structured' | 'binary';
}

const CONTENT_TYPE = 'content-type';
const STRUCTURED = 'application/cloudevents+json';
const IS_STRUCTURED = /^\s*application\/cloudevents\+json\s*(?:;|$)/i;
const IS_CLOUD_EVENTS = /^\s*application\/cloudevents/i;
const IS_TEXT = /^\s*text\//i;
const MODES: readonly unknown[] = ['structured', 'binary'];

/**
 * Writes events as CloudEvents 1.0 and reads them: for a topic's option `codec`. `id` is the event id, `type` the type,
 * `subject` the aggregate id and `time` the timestamp. The other fields are the extensions `eventversion`,
 * `aggregateversion`, `traceid`, `correlationid` and `tenantid`. The dedup id and the subject of a message stay as they
 * are without it, and so does the order.
 *
 * It reads both modes, and the envelope of {@link jsonCodec}, so a topic can change over: its handlers first, then its
 * publishers. A message that is no CloudEvent of its aggregate is undecodable, as with any codec.
 *
 * @throws OPTIONS_INVALID
 */
export function cloudEventsCodec(options: CloudEventsOptions): Codec {
  const { source, mode } = checked(options);
  const decode = (bytes: Uint8Array, readHeaders?: ReadHeaders): unknown =>
    decodeMessage(bytes, readHeaders?.() ?? {});
  if (mode === 'structured') {
    const codec: Codec = {
      encode: (envelope) => bytesOf(envelope, { ...attributesOf(envelope, source), data: envelope.payload }),
      headersOf: () => ({ [CONTENT_TYPE]: STRUCTURED }),
      decode,
    };
    return withFormat(codec, 'cloudevents');
  }
  const codec: Codec = {
    encode: (envelope) => bytesOf(envelope, envelope.payload),
    headersOf: (envelope) => ({
      // The first for readers that know HTTP's binding; the attribute itself is below.
      [CONTENT_TYPE]: JSON_DATA,
      ...headersOfAttributes(attributesOf(envelope, source)),
    }),
    decode,
  };
  return withFormat(codec, 'cloudevents-binary');
}

function checked(options: unknown): { source: string; mode: 'structured' | 'binary' } {
  const { source, mode = 'structured', ...others } = (options ?? {}) as CloudEventsOptions;
  const other = Object.keys(others)[0];
  if (typeof source !== 'string' || !/^[!-~]+$/.test(source))
    throw invalid('source to be a URI reference without spaces, such as "/orders"', typeof source);
  if (!MODES.includes(mode)) throw invalid('mode to be "structured" or "binary"', typeof mode);
  if (other !== undefined) throw invalid('the options source and mode', 'another one');
  return { source, mode };
}

function invalid(expected: string, found: string): AggregateTransportError {
  const kind = found === 'string' ? 'another text' : found;
  return new AggregateTransportError(
    'OPTIONS_INVALID',
    `expected in cloudEventsCodec ${expected}, found ${kind}; correct it`,
  );
}

function bytesOf(envelope: Envelope, value: unknown): Uint8Array {
  return Buffer.from(toJson(envelope, value), 'utf8');
}

function decodeMessage(bytes: Uint8Array, headers: Readonly<Record<string, string>>): unknown {
  const contentType = headerOf(headers, CONTENT_TYPE);
  if (contentType !== undefined && IS_CLOUD_EVENTS.test(contentType)) {
    if (!IS_STRUCTURED.test(contentType))
      throw new Error(`expected a CloudEvent in JSON, found another format or a batch`);
    return structured(jsonCodec.decode(bytes));
  }
  const attributes = attributesOfHeaders(headers);
  if (Object.keys(attributes).length > 0) return binary(attributes, bytes, contentType);
  // Publishers without headers write the structured mode; the envelope of the JSON codec has no specversion.
  const body = jsonCodec.decode(bytes);
  return isObject(body) && !('specversion' in body) && 'event_id' in body ? body : structured(body);
}

function binary(attributes: Record<string, string>, bytes: Uint8Array, contentType?: string): unknown {
  const type = attributes['datacontenttype'] ?? contentType;
  return envelopeOf(attributes, bytes.length === 0 ? null : dataOf(bytes, type));
}

function structured(body: unknown): unknown {
  if (!isObject(body)) throw new Error('expected a CloudEvent to be a JSON object, found another value');
  const { data = null, data_base64: base64, datacontenttype, ...attributes } = body;
  if (base64 === undefined) return envelopeOf(attributes, data);
  if (typeof base64 !== 'string' || 'data' in body)
    throw new Error('expected a CloudEvent with data or data_base64, found both or another value');
  return envelopeOf(attributes, dataOf(Buffer.from(base64, 'base64'), datacontenttype));
}

function dataOf(bytes: Uint8Array, contentType: unknown): unknown {
  if (isJsonData(contentType)) return jsonCodec.decode(bytes);
  if (typeof contentType === 'string' && IS_TEXT.test(contentType))
    return Buffer.from(bytes).toString('utf8');
  throw new Error('expected a CloudEvent whose data is JSON or text, found other data');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
