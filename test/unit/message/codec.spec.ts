import { expect, test } from '@jest/globals';
import { type Codec, decodeBody, encodeEnvelope, jsonCodec } from '#library/message/codec.js';
import { toEnvelope } from '#library/message/envelope.js';
import { eventually } from '../../support/eventually.js';

const envelope = toEnvelope({ aggregateId: 'a', type: 'T', payload: { amount: 1 } }, 0);
const answering = (value: unknown): Codec => ({
  encode: () => value as Uint8Array,
  decode: () => value,
});

test('gives the bytes of a codec, as any kind of Uint8Array', () => {
  const bytes = new Uint8Array([1, 2, 3]);
  expect(encodeEnvelope(answering(bytes), envelope)).toBe(bytes);
  expect(JSON.parse(Buffer.from(encodeEnvelope(jsonCodec, envelope)).toString())).toMatchObject({
    payload: { amount: 1 },
  });
});

test.each([
  ['nothing', undefined, 'a value of type undefined'],
  ['null', null, 'null'],
  ['a text', 'text', 'a value of type string'],
  ['an array', [1, 2], 'an object'],
  ['an ArrayBuffer', new ArrayBuffer(2), 'an object'],
  ['an object with a length', { length: 3 }, 'an object'],
  ['a promise', Promise.resolve(new Uint8Array()), 'a promise'],
])('refuses an event whose codec gives %s', (_what, value, found) => {
  const encoding = (): unknown => encodeEnvelope(answering(value), envelope);
  expect(encoding).toThrow(expect.objectContaining({ code: 'PAYLOAD_NOT_SERIALIZABLE' }));
  expect(encoding).toThrow(`found ${found} for an event of type "T"`);
});

test('refuses an event whose codec throws, with any value thrown', () => {
  for (const thrown of [new Error('x'), undefined, null, 'text', Object.create(null)]) {
    const codec: Codec = {
      encode: () => {
        throw thrown;
      },
      decode: () => undefined,
    };
    expect(() => encodeEnvelope(codec, envelope)).toThrow(
      expect.objectContaining({ code: 'PAYLOAD_NOT_SERIALIZABLE', cause: thrown }),
    );
  }
});

test('a promise of a codec that rejects later ends nothing', async () => {
  let caught = 0;
  const rejecting = (): Promise<never> => {
    const promise = Promise.reject(new Error('later'));
    const own = promise.catch.bind(promise);
    promise.catch = (onRejected) => {
      caught++;
      return own(onRejected);
    };
    return promise;
  };
  expect(() => encodeEnvelope(answering(rejecting()), envelope)).toThrow(/found a promise/);
  expect(() => decodeBody(answering(rejecting()), new Uint8Array(), () => ({}))).toThrow(/found a promise/);
  await eventually('both promises to be caught', () => caught === 2);
});
