import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AggregateTransportError } from '#library/errors.js';
import { jsonCodec } from '#library/message/codec.js';
import type { AggregateEvent } from '#library/message/event.js';
import { JsonEvent } from '#library/message/outgoing/json-event.js';
import { expecting, following, sizeOf } from '#library/message/outgoing/outgoing-event.js';
import { prepareEvent, type PrepareOptions } from '#library/message/outgoing/prepare-event.js';

const options: PrepareOptions = { topic: 'orders', codec: jsonCodec, maxPayloadBytes: 20_000, wallMs: 7 };
/** Writes the same bytes and is another object, so its events are bytes from the start. */
const bytesOptions: PrepareOptions = { ...options, codec: { ...jsonCodec } };

const toBytes = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** All that is sent of an event, or the error that says why it is not. */
function preparedBy(event: AggregateEvent, by: PrepareOptions): unknown {
  try {
    const prepared = prepareEvent(event, by);
    const { token, subject, messageId, expectedSequence, headers, body } = prepared;
    return {
      ...{ token, subject, messageId, expectedSequence },
      ...{ headers: toBytes(headers), body: toBytes(body), size: sizeOf(prepared) },
    };
  } catch (error) {
    if (!(error instanceof AggregateTransportError)) throw error;
    return { code: error.code, message: error.message, cause: String(error.cause) };
  }
}

const cycle: Record<string, unknown> = {};
cycle['self'] = cycle;

const payload = fc.oneof(
  fc.jsonValue(),
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc
    .tuple(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 2 }), fc.nat(9_000))
    .map(([unit, n]) => unit.repeat(n)),
  fc.jsonValue().map((value) => ({ at: new Date(0), inner: { toJSON: (key: string) => ({ key, value }) } })),
  fc.constantFrom<unknown>(
    ...[undefined, null, 5n, Number.NaN, () => 1, Symbol('s'), new Map(), [undefined], cycle, new Error('e')],
    ...[
      { toJSON: () => undefined },
      { toJSON: (key: string) => key },
      { amount: Infinity },
      new Date(Number.NaN),
    ],
  ),
);
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom('plain-1', 'ünï "q" \\', '日本🚚', '\ud800'),
);
const eventId = fc.stringMatching(/^[!-~]{1,40}$/);
const event = fc.record(
  {
    ...{ aggregateId: text, type: text, payload, eventId, traceId: text, correlationId: text },
    version: fc.integer({ min: 1, max: 9 }),
    aggregateVersion: fc.nat(),
    tenantId: fc.integer(),
    timestamp: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }),
  },
  { requiredKeys: ['aggregateId', 'type', 'payload', 'eventId'] },
) as fc.Arbitrary<AggregateEvent>;

describe('an event that is kept as text', () => {
  test('is what the codec would have made of it, byte for byte, or is refused with the same words', () => {
    fc.assert(
      fc.property(event, (given) => {
        expect(preparedBy(given, options)).toEqual(preparedBy(given, bytesOptions));
      }),
      { numRuns: 400 },
    );
  });

  test('is made of plain events alone', () => {
    const plain: AggregateEvent = { aggregateId: 'a', type: 'T', payload: 1 };
    const isText = (given: AggregateEvent, by = options): boolean =>
      prepareEvent(given, by) instanceof JsonEvent;
    expect(isText(plain)).toBe(true);
    expect(isText(plain, bytesOptions)).toBe(false);
    expect(isText({ ...plain, headers: { a: 'b' } })).toBe(false);
    expect(isText({ ...plain, expectedSequence: 0 })).toBe(false);
  });

  test('keeps what it was when it was published, even if its payload changes before it is sent', () => {
    const given = { aggregateId: 'a', type: 'T', payload: { amount: 1 } };
    const prepared = prepareEvent(given, options);
    given.payload.amount = 2;
    expect(JSON.parse(Buffer.from(prepared.body).toString())).toMatchObject({ payload: { amount: 1 } });
  });

  test('has the same bytes when it follows another event, or expects a sequence', () => {
    const prepared = prepareEvent({ aggregateId: 'a', type: 'Grüße', payload: 'é' }, options);
    const before = prepareEvent({ aggregateId: 'a', type: 'T', payload: 1 }, options);
    const next = following(prepared, before);
    expect(next).toMatchObject({
      token: 'a',
      subject: prepared.subject,
      messageId: prepared.messageId,
      follows: before,
    });
    expect([toBytes(next.body), toBytes(next.headers)]).toEqual([
      toBytes(prepared.body),
      toBytes(prepared.headers),
    ]);
    expect(toBytes(expecting(next, 3).body)).toBe(toBytes(prepared.body));
  });
});
