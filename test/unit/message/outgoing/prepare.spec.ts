import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { jsonCodec } from '#library/message/codec.js';
import type { AggregateEvent } from '#library/message/event.js';
import { checkUserHeaders, encodeHeaders, HEADER, messageIdOf } from '#library/message/headers.js';
import { expecting } from '#library/message/outgoing/outgoing-event.js';
import { prepareEvent, type PrepareOptions } from '#library/message/outgoing/prepare-event.js';
import { codeOf, errorOf } from '../code-of.js';

const options: PrepareOptions = { topic: 'orders', codec: jsonCodec, maxPayloadBytes: 1_048_576, wallMs: 0 };
const event: AggregateEvent = { aggregateId: 'a', type: 'Placed', payload: 1, eventId: 'e1' };
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');

describe('an event ready for the wire', () => {
  test('has its subject, its dedup id and its headers', () => {
    const outgoing = prepareEvent({ ...event, expectedSequence: 0, headers: { tenant: 'x y' } }, options);
    expect(outgoing).toMatchObject({
      token: 'a',
      subject: 'orders.0.0.1.0.1.1.0.0.a',
      messageId: 'a:e1',
      expectedSequence: 0,
    });
    expect(text(outgoing.headers)).toBe(
      'NATS/1.0\r\nNats-Msg-Id: a:e1\r\nNats-Expected-Last-Subject-Sequence: 0\r\ntenant: x y\r\n\r\n',
    );
    expect(JSON.parse(text(outgoing.body))).toMatchObject({ event_id: 'e1', aggregate_id: 'a', payload: 1 });
  });

  test('says nothing of what was not given', () => {
    const outgoing = prepareEvent(event, options);
    expect(outgoing.expectedSequence).toBeUndefined();
    expect(text(outgoing.headers)).toBe('NATS/1.0\r\nNats-Msg-Id: a:e1\r\n\r\n');
  });

  test('expects a sequence that is known later, and is the same event otherwise', () => {
    const outgoing = prepareEvent({ ...event, headers: { tenant: 'x' } }, options);
    const next = expecting({ ...outgoing, follows: outgoing }, 7);
    expect(next).toEqual({
      ...outgoing,
      expectedSequence: 7,
      headers: expect.anything() as unknown,
    });
    expect(text(next.headers)).toBe(
      'NATS/1.0\r\nNats-Msg-Id: a:e1\r\ntenant: x\r\nNats-Expected-Last-Subject-Sequence: 7\r\n\r\n',
    );
  });

  test('of two aggregates with one event id has two dedup ids, since dedup is stream-wide', () => {
    const other = prepareEvent({ ...event, aggregateId: 'b' }, options);
    expect(other.messageId).not.toBe(prepareEvent(event, options).messageId);
    expect(messageIdOf('~YQ', 'e:1')).toBe('~YQ:e:1');
  });
});

describe('nothing is sent of an event with', () => {
  test.each<[string, object, string]>([
    ['a bad aggregate id', { aggregateId: '' }, 'AGGREGATE_ID_INVALID'],
    ['a bad type', { type: '' }, 'EVENT_INVALID'],
    ['a payload that cannot be written', { payload: 5n }, 'PAYLOAD_NOT_SERIALIZABLE'],
    ['headers that are null', { headers: null }, 'EVENT_INVALID'],
    ['headers that are a text', { headers: 'a: b' }, 'EVENT_INVALID'],
    ['headers that are a list', { headers: ['a'] }, 'EVENT_INVALID'],
    ['headers in a Map', { headers: new Map([['x-a', '1']]) }, 'EVENT_INVALID'],
    ['headers in a Headers object', { headers: new Headers({ 'x-a': '1' }) }, 'EVENT_INVALID'],
    ['headers in an object of a class', { headers: new URLSearchParams('a=b') }, 'EVENT_INVALID'],
    ['a field as the wire calls it', { correlation_id: 'c' }, 'EVENT_INVALID'],
    ['a misspelt field', { eventID: 'e' }, 'EVENT_INVALID'],
    ['a field of another library', { key: 'k' }, 'EVENT_INVALID'],
    ['a field that is undefined and no field', { topic: undefined }, 'EVENT_INVALID'],
    ['a Map as payload', { payload: { lines: new Map() } }, 'PAYLOAD_NOT_SERIALIZABLE'],
    ['a header of the server', { headers: { 'Nats-Rollup': 'all' } }, 'HEADER_RESERVED'],
    ['a header of the server in other letters', { headers: { 'nats-msg-ID': 'x' } }, 'HEADER_RESERVED'],
    ['a negative expectedSequence', { expectedSequence: -1 }, 'EVENT_INVALID'],
    ['half an expectedSequence', { expectedSequence: 1.5 }, 'EVENT_INVALID'],
    ['an expectedSequence that is no number', { expectedSequence: '1' }, 'EVENT_INVALID'],
    ['an expectedSequence that is not one', { expectedSequence: Number.NaN }, 'EVENT_INVALID'],
  ])('%s', (_name, change, code) => {
    expect(codeOf(() => prepareEvent({ ...event, ...change }, options))).toBe(code);
  });

  test('an unknown field is named, and so is the one it resembles, but not its content', () => {
    const { message } = errorOf(() => prepareEvent({ ...event, correlation_id: 'secret' } as never, options));
    expect(message).toMatch(
      /^expected an event of the fields aggregateId, .+, found "correlation_id"; nothing was sent: the field is called correlationId$/,
    );
    const odd = errorOf(() => prepareEvent({ ...event, 'a\nb': 'secret' } as never, options));
    expect(odd.message).toContain('found "a?b"');
    expect(message + odd.message).not.toContain('secret');
  });

  test('an event may be an object of a class, and its headers may come from another realm', () => {
    class Placed {
      readonly type = 'Placed';
      readonly payload = 1;
      constructor(readonly aggregateId: string) {}
      describe(): string {
        return this.aggregateId;
      }
    }
    const headers = runInNewContext('({ tenant: "x" })') as Record<string, string>;
    const bare = Object.assign(Object.create(null) as Record<string, string>, { tenant: 'x' });
    for (const own of [headers, bare]) {
      const outgoing = prepareEvent({ ...event, headers: own }, options);
      expect(text(outgoing.headers)).toContain('tenant: x');
    }
    expect(prepareEvent(new Placed('a'), options).token).toBe('a');
  });

  test.each([[undefined], [null], ['x'], [5], [true], [[]], [() => event]])('no form of one: %p', (what) => {
    const error = errorOf(() => prepareEvent(what as never, options));
    expect(error.code).toBe('EVENT_INVALID');
    expect(error.message).toMatch(
      /^expected an event \{ aggregateId, type, payload \}, found .+; nothing was sent/,
    );
  });

  test('more than the largest message less 8 KiB, headers included; a byte less is sent', () => {
    const bare = prepareEvent({ ...event, payload: '', headers: { h: '' } }, options);
    const room = 10_000 - 8_192 - bare.body.length - bare.headers.length;
    const small = { ...options, maxPayloadBytes: 10_000 };
    const fits = prepareEvent({ ...event, payload: 'x'.repeat(room), headers: { h: '' } }, small);
    expect(fits.body.length + fits.headers.length).toBe(10_000 - 8_192);
    for (const change of [
      { payload: 'x'.repeat(room + 1), headers: { h: '' } },
      { payload: 'x'.repeat(room), headers: { h: 'y' } },
      { payload: `${'x'.repeat(room - 1)}é`, headers: { h: '' } },
    ]) {
      expect(codeOf(() => prepareEvent({ ...event, ...change }, small))).toBe('EVENT_TOO_LARGE');
    }
  });
});

describe('headers', () => {
  test.each<[string, Record<string, unknown>]>([
    ['CR in a value', { a: 'x\ry' }],
    ['LF in a value', { a: 'x\ny' }],
    ['a smuggled header in a value', { a: 'x\r\nNats-Rollup: all' }],
    ['CR LF in a name', { 'a\r\nNats-Rollup: all\r\nb': 'x' }],
    ['a colon in a name', { 'a:b': 'x' }],
    ['a space in a name', { 'a b': 'x' }],
    ['an empty name', { '': 'x' }],
    ['a name that is not ASCII', { é: 'x' }],
    ['a value that is no text', { a: 5 }],
    ['an undefined value', { a: undefined }],
  ])('that a header cannot carry are refused: %s', (_name, headers) => {
    expect(codeOf(() => checkUserHeaders(headers as Record<string, string>))).toBe('EVENT_INVALID');
  });

  test('an error shows a name without what would break the log line, and no value', () => {
    const { message } = errorOf(() => checkUserHeaders({ 'a\nb': 'secret' }));
    expect(message).not.toContain('\n');
    expect(message).not.toContain('secret');
  });

  test("of one's own pass", () => {
    checkUserHeaders({ traceparent: '00-ab-cd-01', 'X-Own': 'Grüße 🚚', natsy: '1' });
    checkUserHeaders({});
  });

  test('are one block with any contents', () => {
    const block = text(encodeHeaders('a:e', 7, { one: '', two: 'Grüße' }));
    expect(block).toBe(
      `NATS/1.0\r\n${HEADER.messageId}: a:e\r\n${HEADER.expectedLastSubjectSequence}: 7\r\none: \r\ntwo: Grüße\r\n\r\n`,
    );
  });
});
