import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { readAnswer } from '#library/publisher/server-answer.js';
import { idIn, storedPrefixOf, storedSequenceOf } from '#library/stream/api/answer-bytes.js';

const prefix = storedPrefixOf('orders');
const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');
const sequenceIn = (text: string): number | undefined => storedSequenceOf(bytes(text), prefix);

describe('the answer to a stored event', () => {
  test('gives its sequence without being parsed', () => {
    expect(sequenceIn('{"stream":"orders","seq":1}')).toBe(1);
    expect(sequenceIn('{"stream":"orders","seq":999999999999999}')).toBe(999_999_999_999_999);
  });

  test.each([
    ['of another stream', '{"stream":"orderz","seq":7}'],
    ['of a stream with a longer name', '{"stream":"orders-2","seq":7}'],
    ['with a domain', '{"stream":"orders","domain":"hub","seq":7}'],
    ['to a duplicate', '{"stream":"orders","seq":7,"duplicate":true}'],
    ['to a batch', '{"stream":"orders","seq":7,"batch":"b","count":3}'],
    ['with a last number that is no sequence', '{"stream":"orders","error":{"code":400},"seq":7}'],
    ['to a copy whose first copy is not stored yet', '{"stream":"orders","seq":0}'],
    ['with a negative number', '{"stream":"orders","seq":-1}'],
    ['with a fraction', '{"stream":"orders","seq":1.5}'],
    ['with a number that is not exact', '{"stream":"orders","seq":1234567890123456}'],
    ['without a number', '{"stream":"orders","seq":}'],
    ['that is cut off', '{"stream":"orders","seq":7'],
    ['that says no', '{"error":{"code":503,"err_code":10008,"description":"unavailable"}}'],
    ['of another form', '{ "stream":"orders","seq":7}'],
    ['without a byte', ''],
  ])('is left to be parsed if it is one %s', (_name, answer) => {
    expect(sequenceIn(answer)).toBeUndefined();
  });

  test('is read as the parser reads it, or left to the parser, for any change that a server makes', () => {
    const answer = '{"stream":"orders","seq":1207}';
    const part = fc.string({
      unit: fc.constantFrom(...'{}[]",:-.0123456789eorders '.split('')),
      maxLength: 6,
    });
    fc.assert(
      fc.property(fc.nat(answer.length), fc.nat(4), part, (at, cut, added) => {
        const changed = answer.slice(0, at) + added + answer.slice(at + cut);
        const sequence = sequenceIn(changed);
        if (sequence === undefined) return;
        expect(readAnswer(changed)).toEqual({ kind: 'stored', sequence, duplicate: false });
      }),
      { numRuns: 2_000 },
    );
  });
});

test('the id of an event is what its reply subject ends with', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (id) => {
      const inbox = '_INBOX.A0z.';
      expect(idIn(bytes(inbox + id.toString(36)), inbox.length)).toBe(id);
    }),
  );
});
