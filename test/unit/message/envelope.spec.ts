import { describe, expect, test } from '@jest/globals';
import { type Codec, decodeBody, encodeEnvelope, jsonCodec } from '#library/message/codec.js';
import { checkEnvelope, type Envelope, toEnvelope } from '#library/message/envelope.js';
import { causedEventId, newEventId } from '#library/message/event-id.js';
import type { AggregateEvent } from '#library/message/event.js';
import { codeOf, errorOf } from './code-of.js';

const noHeaders = (): Record<string, string> => ({});
const WALL_MS = Date.UTC(2026, 6, 1, 12, 0, 0, 7);
const event: AggregateEvent = { aggregateId: 'order 1', type: 'Placed', payload: { total: 5 } };

describe('the envelope of an event', () => {
  test('has the field names of the Go services, with its defaults filled in and nothing that was not given', () => {
    const envelope = toEnvelope({ ...event, eventId: 'e1' }, WALL_MS);
    expect(envelope).toEqual({
      event_id: 'e1',
      aggregate_id: 'order 1',
      event_type: 'Placed',
      event_version: 1,
      timestamp: '2026-07-01T12:00:00.007Z',
      payload: { total: 5 },
    });
  });

  test('carries everything that was given', () => {
    const given: AggregateEvent = {
      ...event,
      eventId: 'e1',
      version: 3,
      aggregateVersion: 17,
      timestamp: new Date(0),
      traceId: 't',
      correlationId: 'c',
      tenantId: 5,
    };
    expect(toEnvelope(given, WALL_MS)).toEqual({
      event_id: 'e1',
      aggregate_id: 'order 1',
      event_type: 'Placed',
      event_version: 3,
      timestamp: '1970-01-01T00:00:00.000Z',
      aggregate_version: 17,
      trace_id: 't',
      correlation_id: 'c',
      tenant_id: 5,
      payload: { total: 5 },
    });
  });

  test('has a new id each time, and the time of its call', () => {
    const [one, two] = [toEnvelope(event, WALL_MS), toEnvelope(event, WALL_MS)];
    expect(one.event_id).not.toBe(two.event_id);
    expect(toEnvelope(event, WALL_MS + 1).timestamp).toBe('2026-07-01T12:00:00.008Z');
  });

  test('null and other falsy payloads are payloads', () => {
    for (const payload of [null, 0, '', false])
      expect(toEnvelope({ ...event, payload }, WALL_MS).payload).toBe(payload);
  });

  test.each<[string, object]>([
    ['no type', { type: undefined }],
    ['an empty type', { type: '' }],
    ['a blank type', { type: ' \t' }],
    ['a type that is no text', { type: 5 }],
    ['no payload', { payload: undefined }],
    ['an empty event id', { eventId: '' }],
    ['an event id with a space', { eventId: 'a b' }],
    ['an event id with a line break', { eventId: 'a\r\nX: y' }],
    ['an event id with a letter no header carries', { eventId: 'é' }],
    ['an event id of 129 characters', { eventId: 'x'.repeat(129) }],
    ['an event id that is no text', { eventId: 5 }],
    ['version 0', { version: 0 }],
    ['half a version', { version: 1.5 }],
    ['a version that is no number', { version: '1' }],
    ['an invalid date', { timestamp: new Date('x') }],
    ['a timestamp that is no date', { timestamp: '2026-01-01T00:00:00Z' }],
    ['a version that is null', { version: null }],
    ['an aggregate version as text, as a database gives a bigint', { aggregateVersion: '7' }],
    ['an aggregate version that is not a number', { aggregateVersion: Number.NaN }],
    ['half an aggregate version', { aggregateVersion: 1.5 }],
    ['an aggregate version below 0', { aggregateVersion: -1 }],
    ['a bigint as aggregate version', { aggregateVersion: 7n }],
    ['a tenant by name', { tenantId: 'acme' }],
    ['an infinite tenant', { tenantId: Number.POSITIVE_INFINITY }],
    ['a tenant that is null', { tenantId: null }],
    ['an object as trace id', { traceId: {} }],
    ['a number as trace id', { traceId: 5 }],
    ['a list as correlation id', { correlationId: ['c'] }],
    ['a correlation id that is null', { correlationId: null }],
  ])('does not exist for an event with %s: EVENT_INVALID', (_name, change) => {
    expect(codeOf(() => toEnvelope({ ...event, ...change }, WALL_MS))).toBe('EVENT_INVALID');
  });

  test('optional fields may be undefined, and 0 is a number', () => {
    const undefinedOnes = { aggregateVersion: undefined, tenantId: undefined, traceId: undefined } as object;
    expect(toEnvelope({ ...event, ...undefinedOnes }, WALL_MS)).not.toHaveProperty('trace_id');
    expect(toEnvelope({ ...event, aggregateVersion: 0, tenantId: 0 }, WALL_MS)).toMatchObject({
      aggregate_version: 0,
      tenant_id: 0,
    });
  });

  test('an error names the field and never its content', () => {
    const { message } = errorOf(() => toEnvelope({ ...event, eventId: 'secret id' }, WALL_MS));
    expect(message).toContain('event.eventId');
    expect(message).not.toContain('secret');
  });
});

describe('an event id', () => {
  test('is a UUID version 7', () => {
    for (let n = 0; n < 1_000; n++) {
      expect(newEventId(WALL_MS)).toMatch(
        /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      );
    }
  });

  test('begins with its 48 bits of Unix milliseconds', () => {
    const time = (id: string): number => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16);
    for (const wallMs of [0, 1, WALL_MS, 2 ** 48 - 1]) expect(time(newEventId(wallMs))).toBe(wallMs);
    expect(time(newEventId(WALL_MS + 0.9))).toBe(WALL_MS);
  });

  test('is that of RFC 9562, appendix A.6', () => {
    expect(newEventId(0x017f22e279b0, '0cc318c4dc0c0c07398f')).toBe('017f22e2-79b0-7cc3-98c4-dc0c0c07398f');
  });

  test('of a later millisecond sorts after an earlier one', () => {
    const ids = Array.from({ length: 100 }, (_, n) => newEventId(WALL_MS + n));
    expect(ids.toSorted()).toEqual(ids);
  });

  test('that follows from a cause is a UUID version 8, the same for the same parts and another for any other', () => {
    const parts = [
      'billing',
      'orders',
      '2026-01-01T00:00:00.000000001Z',
      7,
      'invoices',
      'order 1',
      'call',
      1,
    ];
    // A vector: the id must not change with a release, or a repeat after the update would be stored a second time.
    expect(causedEventId(parts)).toBe('7e404bb7-7ac8-8ba9-9206-27c1385b71d1');
    const others = parts.map((part, at) => parts.with(at, typeof part === 'number' ? part + 1 : `${part}x`));
    const ids = [parts, ...others, [...parts, 'run', 0]].map((one) => causedEventId(one));
    expect(new Set(ids).size).toBe(parts.length + 2);
    for (const id of ids)
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  test('is never given twice', () => {
    expect(new Set(Array.from({ length: 20_000 }, () => newEventId(WALL_MS))).size).toBe(20_000);
  });
});

describe('a body', () => {
  const envelope = toEnvelope({ ...event, payload: { text: 'Grüße 🚚', list: [1, null] } }, WALL_MS);

  test('comes back as it was, from within a larger buffer too', () => {
    const bytes = encodeEnvelope(jsonCodec, envelope);
    expect(checkEnvelope(decodeBody(jsonCodec, bytes, noHeaders), 'order 1')).toEqual(envelope);
    const frame = new Uint8Array(bytes.length + 20);
    frame.set(bytes, 7);
    expect(decodeBody(jsonCodec, frame.subarray(7, 7 + bytes.length), noHeaders)).toEqual(envelope);
  });

  test.each<[string, unknown]>([
    ['a cycle', cycle()],
    ['a BigInt', { amount: 5n }],
    ['a toJSON that throws', { toJSON: () => JSON.parse('{') as unknown }],
    ['a function', () => 1],
    ['a symbol', Symbol('x')],
    ['a toJSON that gives nothing', { toJSON: () => undefined }],
  ])('that would come back without its payload does not exist: %s', (_name, payload) => {
    const code = codeOf(() => encodeEnvelope(jsonCodec, toEnvelope({ ...event, payload }, WALL_MS)));
    expect(['PAYLOAD_NOT_SERIALIZABLE', 'EVENT_INVALID']).toContain(code);
  });

  test("a codec's own error is the cause", () => {
    const cause = new Error('mine');
    const broken: Codec = {
      encode: () => {
        throw cause;
      },
      decode: () => {
        throw cause;
      },
    };
    const encoding = errorOf(() => encodeEnvelope(broken, envelope));
    expect([encoding.code, encoding.cause]).toEqual(['PAYLOAD_NOT_SERIALIZABLE', cause]);
    const decoding = errorOf(() => decodeBody(broken, new Uint8Array(3), noHeaders));
    expect([decoding.code, decoding.cause]).toEqual(['ENVELOPE_INVALID', cause]);
    expect(encoding.message + decoding.message).not.toContain('order 1');
  });

  test.each([
    ['empty', ''],
    ['half', '{"event_id":'],
    ['another format', '\u0000\u0001'],
  ])('that is no JSON is refused: %s', (_name, text) => {
    expect(codeOf(() => decodeBody(jsonCodec, Buffer.from(text), noHeaders))).toBe('ENVELOPE_INVALID');
  });
});

describe('a decoded body is an envelope only if', () => {
  const good: Envelope = { ...toEnvelope(event, WALL_MS) };

  test("it has what every envelope has; the rest may be missing, and strangers' fields do no harm", () => {
    expect(checkEnvelope(good, 'order 1')).toBe(good);
    const bare = { event_id: 'e', aggregate_id: 'order 1', event_type: 'Placed', payload: null, other: 1 };
    expect(checkEnvelope(bare, 'order 1')).toBe(bare);
    const nulls = { aggregate_version: null, tenant_id: null, trace_id: null, correlation_id: null };
    expect(checkEnvelope({ ...bare, ...nulls }, 'order 1')).toMatchObject(nulls);
  });

  test.each<[string, unknown]>([
    ['null', null],
    ['a list', [good]],
    ['a text', 'x'],
    ['a number', 5],
    ['undefined', undefined],
    ['no event_id', { ...good, event_id: undefined }],
    ['an empty event_id', { ...good, event_id: '' }],
    ['an event_id that is no text', { ...good, event_id: 5 }],
    ['no aggregate_id', { ...good, aggregate_id: undefined }],
    ['another aggregate_id', { ...good, aggregate_id: 'order 2' }],
    ['no event_type', { ...good, event_type: undefined }],
    ['an empty event_type', { ...good, event_type: '' }],
    ['a version that is no number', { ...good, event_version: '1' }],
    ['a timestamp that is no text', { ...good, timestamp: 5 }],
    ['an aggregate version that is no number', { ...good, aggregate_version: '7' }],
    ['a tenant that is no number', { ...good, tenant_id: 'acme' }],
    ['a trace id that is no text', { ...good, trace_id: {} }],
    ['a correlation id that is no text', { ...good, correlation_id: 5 }],
    ['no payload', without(good, 'payload')],
  ])('not: %s', (_name, body) => {
    expect(codeOf(() => checkEnvelope(body, 'order 1'))).toBe('ENVELOPE_INVALID');
  });

  test('an error names the field and never its content', () => {
    const { message } = errorOf(() => checkEnvelope({ ...good, aggregate_id: 'secret' }, 'order 1'));
    expect(message).toContain('aggregate_id');
    expect(message).not.toContain('secret');
  });
});

function cycle(): object {
  const one: { other?: object } = {};
  one.other = one;
  return one;
}

function without(envelope: Envelope, field: keyof Envelope): object {
  return Object.fromEntries(Object.entries(envelope).filter(([key]) => key !== field));
}
