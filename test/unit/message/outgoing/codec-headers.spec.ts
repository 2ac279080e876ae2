import { expect, test } from '@jest/globals';
import { type Codec, jsonCodec } from '#library/message/codec.js';
import { toEnvelope } from '#library/message/envelope.js';
import { withCodecHeaders } from '#library/message/outgoing/codec-headers.js';

const envelope = toEnvelope({ aggregateId: 'a', type: 'T', payload: 1 }, 0);
const answering = (headersOf: () => unknown): Codec => ({ ...jsonCodec, headersOf: headersOf as never });

test("a codec without headers leaves the caller's as they are", () => {
  const own = { a: '1' };
  expect(withCodecHeaders(jsonCodec, envelope, own)).toBe(own);
  expect(withCodecHeaders(jsonCodec, envelope, undefined)).toBeUndefined();
});

test.each<[string, () => unknown]>([
  ['nothing', () => undefined],
  ['a promise', () => Promise.resolve({})],
  ['a Map', () => new Map([['a', 'b']])],
  ['a value that is no text', () => ({ a: 1 })],
  ['two lines', () => ({ a: 'b\r\nNats-Rollup: all' })],
  ['a name with a colon', () => ({ 'a: b\r\nc': 'd' })],
  ["a header of the server's", () => ({ 'nats-rollup': 'all' })],
  [
    'a getter that throws',
    () => ({
      get a(): string {
        throw new Error('x');
      },
    }),
  ],
  [
    'an error',
    () => {
      throw new Error('x');
    },
  ],
])('an event whose codec answers %s for headers is refused', (_what, headersOf) => {
  expect(() => withCodecHeaders(answering(headersOf), envelope, undefined)).toThrow(
    expect.objectContaining({ code: 'PAYLOAD_NOT_SERIALIZABLE' }),
  );
});
