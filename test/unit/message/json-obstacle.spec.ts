import { expect, test } from '@jest/globals';
import { encodeAsText, encodeEnvelope, jsonCodec } from '#library/message/codec.js';
import { toEnvelope } from '#library/message/envelope.js';
import { findJsonObstacle } from '#library/message/json-obstacle.js';
import { errorOf } from './code-of.js';

const ring: Record<string, unknown> = { name: 'ring' };
ring['next'] = { back: [ring] };
const thrower = {
  get price(): number {
    throw new Error('no price');
  },
};

test.each<[string, unknown, string]>([
  [
    'a bigint in a list',
    { items: [{}, {}, {}, { price: 5n }] },
    'payload.items[3].price of event type "T" is a bigint',
  ],
  ['a bigint as payload', 5n, 'payload of event type "T" is a bigint'],
  ['a bigint in lists of lists', [[1], [2, 3n]], 'payload[1][1] of event type "T" is a bigint'],
  ['a key that may be data', { 'Ada Lovelace': { n: 1n } }, 'payload[…].n of event type "T" is a bigint'],
  ['a cycle', { at: ring }, 'payload.at.next.back[0] of event type "T" is an object that contains itself'],
  [
    'a toJSON that throws',
    { a: { toJSON: () => JSON.parse('{') as unknown } },
    'payload.a of event type "T" is an object whose toJSON throws',
  ],
  ['what a toJSON gives', { a: { toJSON: () => ({ b: 1n }) } }, 'payload.a.b of event type "T" is a bigint'],
  [
    'a getter that throws',
    { lines: [thrower] },
    'payload.lines[0].price of event type "T" is a member whose getter throws',
  ],
  ['too deep', deep(20_000), 'of event type "T" is nested deeper than 1000 levels'],
])('names the place of %s, never what is there, with the error of JSON as cause', (_what, payload, text) => {
  const envelope = toEnvelope({ aggregateId: 'a', type: 'T', payload }, 0);
  for (const encode of [() => encodeAsText(envelope), () => encodeEnvelope(jsonCodec, envelope)]) {
    const error = errorOf(encode);
    expect(error.code).toBe('PAYLOAD_NOT_SERIALIZABLE');
    expect(error.message).toContain(text);
    expect(error.message).toContain('nothing was sent: pass plain data, or give the topic a codec');
    expect(error.message).not.toMatch(/Ada|ring/);
    expect(error.message.length).toBeLessThan(500);
    expect(error.cause).toBeInstanceOf(Error);
  }
});

test('finds nothing in what JSON writes, also where a value stands twice', () => {
  const line = { sku: 'x', at: new Date(0), none: undefined };
  expect(
    findJsonObstacle({ lines: [line, line], first: line, list: [null, undefined, 1.5] }),
  ).toBeUndefined();
});

test('finds nothing in a proxy that refuses to be asked, and does not throw', () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  expect(() => findJsonObstacle({ a: proxy })).not.toThrow();
});

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let n = 0; n < levels; n++) value = { a: value };
  return value;
}
