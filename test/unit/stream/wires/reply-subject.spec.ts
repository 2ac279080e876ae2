import { describe, expect, test } from '@jest/globals';
import { parseReplySubject, replyPrefixOf, storedAtOf } from '#library/stream/wires/reply-subject.js';

const PREFIX = replyPrefixOf('orders', 'billing-0-1-0-e7-1');
const TIME = '1795946400123456789';

describe.each([
  ['v1', `$JS.ACK.orders.billing-0-1-0-e7-1.1.90071992547409.42.${TIME}.3`],
  [
    'v2 without a token at the end',
    `$JS.ACK._.ACCHASH.orders.billing-0-1-0-e7-1.1.90071992547409.42.${TIME}.3`,
  ],
  [
    'v2 with a token at the end',
    `$JS.ACK.hub.ACCHASH.orders.billing-0-1-0-e7-1.1.90071992547409.42.${TIME}.3.x7`,
  ],
  ['v1 of another reader', `$JS.ACK.orders.other.1.90071992547409.42.${TIME}.3`],
])('a reply subject in the form %s', (_form, subject) => {
  test('tells sequences and time', () => {
    expect(parseReplySubject(subject, PREFIX)).toEqual({
      streamSequence: 90_071_992_547_409,
      consumerSequence: 42,
    });
    expect(storedAtOf(subject)).toBe(TIME);
  });
});

test.each([
  '',
  'nonsense',
  '$JS.ACK.orders.billing-0-1-0-e7-1.',
  '$JS.ACK.orders.billing-0-1-0-e7-1.1.a.b.c.d',
])('"%s" has no numbers, and no time', (subject) => {
  expect(parseReplySubject(subject, PREFIX)).toEqual({ streamSequence: NaN, consumerSequence: NaN });
  expect(storedAtOf(subject)).toBe('');
});
