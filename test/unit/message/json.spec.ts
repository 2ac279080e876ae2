import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { of } from 'rxjs';
import { type Codec, encodeEnvelope, jsonCodec } from '#library/message/codec.js';
import { toEnvelope } from '#library/message/envelope.js';
import { codeOf, errorOf } from './code-of.js';

const encode = (payload: unknown, codec: Codec = jsonCodec): Uint8Array =>
  encodeEnvelope(codec, toEnvelope({ aggregateId: 'a', type: 'Paid', payload }, 0));
const payloadOf = (bytes: Uint8Array): unknown =>
  (JSON.parse(Buffer.from(bytes).toString('utf8')) as { payload: unknown }).payload;

class Secret {
  readonly #cents: number;
  constructor(cents: number) {
    this.#cents = cents;
  }
  reveal(): number {
    return this.#cents;
  }
}
class Money {
  constructor(
    readonly cents: number,
    readonly currency = 'EUR',
  ) {}
  get shown(): string {
    return `${this.cents} ${this.currency}`;
  }
}
class Lines extends Map<string, number> {
  readonly name = 'lines';
}
class Refusal extends Error {
  readonly status = 402;
}

describe('a payload that would arrive as another value is refused', () => {
  const values: [name: string, value: unknown, found: RegExp][] = [
    ['a promise that was not awaited', Promise.resolve(1), /a promise/],
    [
      'a query that is run by then',
      new (class Query {
        readonly sql = 'select';
        then(): void {}
      })(),
      /a promise/,
    ],
    ['a Map', new Map([['a', 1]]), /a Map, which arrives as \{\}/],
    ['a Map with members of its own', new Lines(), /a Map/],
    ['a Set', new Set([1]), /a Set/],
    ['an Error', new Error('secret'), /an Error, which arrives without its message/],
    ['an Error with members of its own', new Refusal('secret'), /an Error/],
    ['an Error of another realm', runInNewContext('new TypeError("secret")'), /an Error/],
    ['a Map of another realm', runInNewContext('new Map()'), /a Map/],
    ['not a number', Number.NaN, /NaN, which arrives as null/],
    ['infinity', Number.NEGATIVE_INFINITY, /-Infinity, which arrives as null/],
    ['a class with private fields', new Secret(5), /an object of class Secret, which arrives as \{\}/],
    ['a weak map', new WeakMap(), /class WeakMap/],
    ['a regular expression', /secret/, /class RegExp/],
    ['headers of a request', new Headers({ a: 'secret' }), /class Headers/],
    ['bytes', new Uint8Array([1, 2]), /a Uint8Array, which arrives as an object of numbers/],
    ['raw bytes', new ArrayBuffer(2), /class ArrayBuffer/],
    ['an invalid date', new Date(Number.NaN), /an invalid Date, which arrives as null/],
    ['an Observable', of(1), /a function, which JSON leaves out/],
    ['a function', () => 1, /a function/],
    ['a symbol', Symbol('secret'), /a symbol/],
    ['undefined in a list', [1, undefined], /payload\S*\[1\] .* undefined, which arrives as null/],
    // eslint-disable-next-line no-sparse-arrays
    ['a hole in a list', [1, , 2], /payload\S*\[1\] /],
    ['what a toJSON gives', { toJSON: () => new Map() }, /a Map/],
    ['nothing from a toJSON', { toJSON: () => undefined }, /nothing/],
  ];

  test.each(values)('%s', (_name, value, found) => {
    for (const payload of [value, { at: [{ deep: value }] }, new Money(value as number)]) {
      // A toJSON that gives nothing leaves its member out, as undefined does.
      if (String(found) === '/nothing/' && payload !== value) continue;
      const error = errorOf(() => encode(payload));
      expect([error.code, error.message]).toEqual(['PAYLOAD_NOT_SERIALIZABLE', expect.stringMatching(found)]);
      expect(error.message).toMatch(
        /^expected a payload that JSON carries, found .+; nothing was sent: pass/,
      );
      expect(error.message).not.toContain('secret');
    }
  });

  test('and the place is named, but no key that may itself be data', () => {
    const placeOf = (payload: unknown): string =>
      /found that (\S+) of/.exec(errorOf(() => encode(payload)).message)?.[1] ?? '';
    expect(placeOf({ lines: [{}, { at: new Set() }] })).toBe('payload.lines[1].at');
    expect(placeOf({ byMail: { 'ada@example.org': Number.NaN } })).toBe('payload.byMail[…]');
    expect(placeOf(Number.NaN)).toBe('payload');
  });
});

describe('a payload that arrives as it is passes', () => {
  test.each<[string, unknown, unknown?]>([
    ['plain data', { a: [1, 'x', null, true, { b: -1.5 }], c: {}, d: [] }],
    ['null', null],
    ['an undefined member, which may be missing', { a: 1, b: undefined }, { a: 1 }],
    ['an object of a class', new Money(5), { cents: 5, currency: 'EUR' }],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 }), { a: 1 }],
    ['an object of another realm', runInNewContext('({ a: [1, { b: 2 }] })'), { a: [1, { b: 2 }] }],
    ['a date, as its text', { at: new Date(0) }, { at: '1970-01-01T00:00:00.000Z' }],
    ['a URL, as its text', new URL('http://a/b'), 'http://a/b'],
    ['a toJSON of its own', { toJSON: () => ({ a: 1 }) }, { a: 1 }],
    [
      'a private field with a toJSON',
      new (class extends Secret {
        toJSON = (): number => this.reveal();
      })(5),
      5,
    ],
    [
      'a toJSON that gives itself',
      new (class {
        readonly a = 1;
        toJSON(): this {
          return this;
        }
      })(),
      { a: 1 },
    ],
    [
      'a function on the prototype',
      Object.assign(Object.create({ f: () => 1 }) as object, { a: 1 }),
      { a: 1 },
    ],
  ])('%s', (_name, payload, arrives = payload) => {
    expect(payloadOf(encode(payload))).toEqual(arrives);
  });

  test('any JSON value', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const payload = JSON.parse(JSON.stringify(value)) as unknown;
        expect(payloadOf(encode(payload))).toEqual(payload);
      }),
    );
  });

  test('any value at all is refused, or arrives as JSON writes it', () => {
    fc.assert(
      fc.property(
        fc.anything({ withMap: true, withSet: true, withDate: true, withTypedArray: true }),
        (value) => {
          let bytes: Uint8Array;
          try {
            bytes = encode(value);
          } catch (error) {
            expect(error).toMatchObject({
              code: expect.stringMatching(/^(PAYLOAD_NOT_SERIALIZABLE|EVENT_INVALID)$/),
            });
            return;
          }
          expect(payloadOf(bytes)).toEqual(JSON.parse(JSON.stringify(value)));
        },
      ),
      { numRuns: 500 },
    );
  });
});

test('a codec of your own decides for itself, and one that ends in JSON is checked there', () => {
  const own: Codec = { ...jsonCodec, encode: () => new Uint8Array([1]) };
  expect(encode({ at: new Map() }, own)).toEqual(new Uint8Array([1]));
  const upper: Codec = { ...jsonCodec, encode: (envelope) => jsonCodec.encode(envelope) };
  expect(codeOf(() => encode({ at: new Map() }, upper))).toBe('PAYLOAD_NOT_SERIALIZABLE');
});
