import { describe, expect, test } from '@jest/globals';
import { CloudEvent, HTTP } from 'cloudevents';
import fc from 'fast-check';
import { cloudEventsCodec } from '#library/message/cloud-events/cloud-events-codec.js';
import { type Codec, decodeBody, jsonCodec } from '#library/message/codec.js';
import type { AggregateEvent } from '#library/message/event.js';
import { checkEnvelope, type Envelope, readFields, toEnvelope } from '#library/message/envelope.js';
import { parseHeaders } from '#library/message/headers.js';
import { checkedEvent } from '#library/message/outgoing/checked-event.js';
import { prepareEvent } from '#library/message/outgoing/prepare-event.js';

const MODES = ['structured', 'binary'] as const;
const SOURCE = '/orders';
const NOW = Date.UTC(2026, 10, 24, 14);
type Headers = Record<string, string>;

const full = {
  aggregateId: 'größe 7',
  type: 'Order "Placed" 100 %',
  payload: { customer: 'Ada', lines: [{ price: 1.5 }], note: null },
  eventId: 'e1',
  version: 3,
  aggregateVersion: 2 ** 40,
  timestamp: new Date(NOW),
  traceId: 'trace',
  correlationId: 'korrelation ü',
  tenantId: -7,
};

/** What the stream holds of an event, and what a reader makes of it. */
function stored(codec: Codec, event: object): { headers: Headers; body: Uint8Array } {
  const options = { topic: 'orders', codec, maxPayloadBytes: 1_000_000, wallMs: NOW };
  const { headers, body } = prepareEvent(event as never, options);
  return { headers: parseHeaders(Buffer.from(headers).toString('utf8')), body };
}

function read(codec: Codec, body: Uint8Array | string, headers: Headers, aggregateId = 'a'): Envelope {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  const decoded = decodeBody(codec, bytes, () => headers);
  return checkEnvelope(readFields(decoded), aggregateId);
}

describe.each(MODES)('in %s mode', (mode) => {
  const codec = cloudEventsCodec({ source: SOURCE, mode });

  test('every field of the envelope arrives, and the dedup id is that of any codec', () => {
    const { headers, body } = stored(codec, full);
    expect(headers['Nats-Msg-Id']).toBe(stored(jsonCodec, full).headers['Nats-Msg-Id']);
    expect(read(codec, body, headers, full.aggregateId)).toEqual(toEnvelope(full, NOW));
  });

  test('the official SDK reads what the codec writes', () => {
    // Of headers the SDK does not undo the encoding, so plain texts are compared.
    const event = { ...full, aggregateId: 'order-7', type: 'OrderPlaced', correlationId: 'c' };
    const { headers, body } = stored(codec, event);
    const message = { headers, body: Buffer.from(body).toString('utf8') };
    const found = HTTP.toEvent<object>(message) as CloudEvent<object>;
    expect(found.validate()).toBe(true);
    expect(found).toMatchObject({
      ...{ id: 'e1', source: SOURCE, type: 'OrderPlaced', subject: 'order-7', specversion: '1.0' },
      ...{ time: '2026-11-24T14:00:00.000Z', datacontenttype: 'application/json', data: full.payload },
      ...{ traceid: 'trace', correlationid: 'c', aggregateversion: String(2 ** 40) },
    });
    expect(Number(found['eventversion'])).toBe(3);
    expect(Number(found['tenantid'])).toBe(-7);
  });

  test('reads what the official SDK writes', () => {
    const event = new CloudEvent({
      ...{ id: 'x1', source: '/else', type: 'OrderPlaced', subject: 'a', time: '2026-01-02T03:04:05Z' },
      ...{
        datacontenttype: 'application/json',
        data: { price: 2 },
        eventversion: 2,
        traceid: 't',
        other: 'o',
      },
    });
    const message = mode === 'binary' ? HTTP.binary(event) : HTTP.structured(event);
    expect(read(codec, message.body as string, message.headers as Headers)).toEqual({
      ...{ event_id: 'x1', aggregate_id: 'a', event_type: 'OrderPlaced', event_version: 2, trace_id: 't' },
      ...{ timestamp: '2026-01-02T03:04:05.000Z', payload: { price: 2 } },
    });
  });

  test('any event arrives as it was published', () => {
    const text = fc.string({ unit: 'binary', minLength: 1 }).filter((one) => one.trim() !== '');
    const id = fc.stringMatching(/^[!-~]{1,40}$/);
    const optional = { nil: undefined };
    const events = fc.record({
      ...{
        aggregateId: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
        type: text,
        eventId: id,
      },
      payload: fc.jsonValue(),
      version: fc.integer({ min: 1 }),
      ...{
        aggregateVersion: fc.option(fc.maxSafeNat(), optional),
        tenantId: fc.option(fc.maxSafeInteger(), optional),
      },
      ...{ traceId: fc.option(text, optional), correlationId: fc.option(fc.string(), optional) },
    });
    fc.assert(
      fc.property(events, (event) => {
        const { headers, body } = stored(codec, event);
        const plain = JSON.parse(JSON.stringify(toEnvelope(event as AggregateEvent, NOW))) as Envelope;
        expect(read(codec, body, headers, event.aggregateId)).toEqual(plain);
      }),
    );
  });

  test('refuses a payload that JSON changes, with its place', () => {
    for (const payload of [{ at: new Map() }, { amount: Number.NaN }, { amount: 5n }]) {
      expect(() => stored(codec, { ...full, payload })).toThrow(
        expect.objectContaining({
          code: 'PAYLOAD_NOT_SERIALIZABLE',
          message: expect.stringMatching(/payload\.a/),
        }),
      );
    }
  });

  test("keeps the caller's headers, and refuses one that the codec writes", () => {
    expect(stored(codec, { ...full, headers: { 'x-mine': '1' } }).headers).toMatchObject({ 'x-mine': '1' });
    expect(() => stored(codec, { ...full, headers: { 'Content-Type': 'text/plain' } })).toThrow(
      expect.objectContaining({ code: 'HEADER_RESERVED' }),
    );
  });

  test('an outbox keeps the headers with the body, so that the relay sends the same event', () => {
    const options = { topic: 'orders', codec, maxPayloadBytes: 1_000_000, wallMs: NOW };
    const event = { ...full, headers: { 'x-mine': '1' }, expectedSequence: 7 };
    const checked = checkedEvent(prepareEvent(event, options), event.headers, codec);
    expect(checked.isJson).toBe(false);
    expect(Object.keys(checked.headers ?? {}).filter((name) => name.startsWith('Nats-'))).toEqual([]);
    expect(checked.headers).toMatchObject({ 'x-mine': '1' });
    expect(read(codec, checked.body, { ...checked.headers }, full.aggregateId)).toEqual(
      toEnvelope(full, NOW),
    );
  });
});

const codec = cloudEventsCodec({ source: SOURCE });
const minimal = { specversion: '1.0', id: '1', source: '/s', type: 'T', subject: 'a' };

test('reads the structured mode without headers, and the envelope of the JSON codec', () => {
  expect(read(codec, JSON.stringify({ ...minimal, data: 1 }), {})).toEqual({
    ...{ event_id: '1', aggregate_id: 'a', event_type: 'T', payload: 1 },
  });
  const old = toEnvelope({ ...full, aggregateId: 'a' }, NOW);
  expect(read(codec, jsonCodec.encode(old), {})).toEqual(old);
});

test.each<[string, object, unknown]>([
  ['no data', {}, null],
  ['null for what it does not know', { time: null, traceid: null, data: 1 }, 1],
  ['JSON in Base64', { data_base64: Buffer.from('{"a":1}').toString('base64') }, { a: 1 }],
  [
    'text in Base64',
    { datacontenttype: 'text/plain', data_base64: Buffer.from('ü').toString('base64') },
    'ü',
  ],
])('reads a CloudEvent with %s', (_what, more, payload) => {
  expect(read(codec, JSON.stringify({ ...minimal, ...more }), {}).payload).toEqual(payload);
});

test.each<[string, object]>([
  ['another specversion', { specversion: '0.3' }],
  ['no id', { id: undefined }],
  ['an empty source', { source: '' }],
  ['no type', { type: undefined }],
  ['no subject', { subject: undefined }],
  ['the subject of another aggregate', { subject: 'b' }],
  ['a time that is none', { time: 'yesterday' }],
  ['a version that is no number', { eventversion: 'two' }],
  ['bytes that are no JSON', { datacontenttype: 'image/png', data_base64: 'AAAA' }],
  ['data twice', { data: 1, data_base64: 'MQ==' }],
])('refuses a CloudEvent with %s as undecodable', (_what, more) => {
  const body = JSON.stringify({ ...minimal, ...more });
  const invalid = expect.objectContaining({ code: 'ENVELOPE_INVALID' });
  expect(() => read(codec, body, { 'Content-Type': 'application/cloudevents+json' })).toThrow(invalid);
});

test.each<[string, string, Headers]>([
  ['a list', '[]', {}],
  ['a batch', '[]', { 'content-type': 'application/cloudevents-batch+json' }],
  ['another format', 'x', { 'content-type': 'application/cloudevents+protobuf' }],
  ['headers of a CloudEvent and no id', '1', { 'ce-specversion': '1.0' }],
  ['a header that is encoded wrongly', '1', { 'ce-specversion': '1.0', 'ce-id': '%E0%' }],
  ['data that is no JSON', '{', { ...binaryHeaders(), 'ce-datacontenttype': 'application/json' }],
  ['data of another kind', 'x', { ...binaryHeaders(), 'Content-Type': 'image/png' }],
])('refuses a message with %s as undecodable', (_what, body, headers) => {
  expect(() => read(codec, body, headers)).toThrow(expect.objectContaining({ code: 'ENVELOPE_INVALID' }));
});

function binaryHeaders(): Headers {
  return Object.fromEntries(Object.entries(minimal).map(([name, value]) => [`CE-${name}`, value]));
}

test('reads header names in any spelling', () => {
  expect(read(codec, '2', binaryHeaders())).toMatchObject({ event_id: '1', payload: 2 });
});

test('an event whose texts no header can carry is refused before it is sent', () => {
  const binary = cloudEventsCodec({ source: SOURCE, mode: 'binary' });
  expect(() => stored(binary, { ...full, type: '\ud800' })).toThrow(
    expect.objectContaining({ code: 'PAYLOAD_NOT_SERIALIZABLE' }),
  );
});

test.each([
  [undefined, /source/],
  [{ source: '' }, /source/],
  [{ source: 'a b' }, /source/],
  [{ source: '/a', mode: 'both' }, /mode/],
  [{ source: '/a', kind: 1 }, /another one/],
])('refuses the options %j', (options, text) => {
  const making = (): unknown => cloudEventsCodec(options as never);
  expect(making).toThrow(expect.objectContaining({ code: 'OPTIONS_INVALID' }));
  expect(making).toThrow(text);
});
