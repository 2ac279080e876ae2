import { expect, test } from '@jest/globals';
import {
  AggregateTransportError,
  type AggregateTransportErrorCode,
  PublishRejectedError,
  SequenceConflictError,
} from 'nestjs-aggregate-transport';
import { chainOf, storedAmong } from '#postgres/relay/sending/chain.js';
import {
  chainEndOf,
  type Consequence,
  consequenceOf,
  reasonOf,
} from '#postgres/relay/sending/consequence.js';

const error = (code: AggregateTransportErrorCode) => new AggregateTransportError(code, 'text');

test.each<[AggregateTransportErrorCode, Consequence]>([
  ['EVENT_TOO_LARGE', 'stop'],
  ['EVENT_INVALID', 'stop'],
  ['HEADER_RESERVED', 'stop'],
  ['SEQUENCE_UNKNOWN', 'look up'],
  ['SEQUENCE_CONFLICT', 'look up'],
  ['OUTCOME_UNKNOWN', 'resume'],
  ['PREDECESSOR_UNKNOWN', 'retry'],
  ['PREDECESSOR_REJECTED', 'retry'],
  ['PUBLISHER_SATURATED', 'retry'],
  ['CONNECTION_CLOSED', 'retry'],
  ['JETSTREAM_REQUEST_FAILED', 'retry'],
])('after %s: %s', (code, consequence) => {
  expect(consequenceOf(error(code))).toBe(consequence);
});

test('tells a refusal for good from one for now', () => {
  expect(consequenceOf(new PublishRejectedError('too large', false, ''))).toBe('stop');
  expect(consequenceOf(new PublishRejectedError('no permission', true, ''))).toBe('retry');
  expect(consequenceOf(new SequenceConflictError(1, 2))).toBe('look up');
});

test('tells why an event was refused without the remedy of a publish call', () => {
  const refused = new PublishRejectedError(
    'the text of a publish call: publish it again',
    false,
    '10054: too large',
  );
  expect(reasonOf(refused)).toBe(
    'expected the stream to store the event, found that the server refused it: 10054: too large',
  );
  expect(reasonOf(error('EVENT_TOO_LARGE'))).toBe('text');
});

test('takes what is stored up to the first failure of a chain', () => {
  const receipt = (sequence: number) => ({ topic: 't', sequence, duplicate: false });
  expect(chainEndOf([receipt(3), receipt(4)])).toEqual({ stored: 2, last: 4, failure: undefined });
  const failure = error('OUTCOME_UNKNOWN');
  expect(chainEndOf([receipt(3), failure, receipt(5)])).toEqual({ stored: 1, last: 3, failure });
  expect(chainEndOf([failure])).toEqual({ stored: 0, last: undefined, failure });
});

test('sends a row that is larger than a chain may be alone', () => {
  const row = (bytes: number) => ({ bytes });
  expect(chainOf([row(500), row(1)], { rows: 10, bytes: 100 })).toEqual([row(500)]);
  expect(chainOf([row(50), row(50), row(1)], { rows: 10, bytes: 100 })).toHaveLength(2);
  expect(chainOf([row(1), row(1), row(1)], { rows: 2, bytes: 100 })).toHaveLength(2);
});

test('counts rows before a stored one as stored, even if the stream has dropped them', () => {
  const rows = ['1', '2', '3'].map((eventId) => ({
    event: { token: 'a', eventId, body: new Uint8Array(), isJson: true, headers: undefined },
  }));
  expect(storedAmong(rows, new Map())).toBe(0);
  expect(storedAmong(rows, new Map([['9', 5]]))).toBe(0);
  expect(storedAmong(rows, new Map([['2', 7]]))).toBe(2);
});
