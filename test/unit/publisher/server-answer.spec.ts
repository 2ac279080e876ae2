import { expect, test } from '@jest/globals';
import { NO_RESPONDERS, readAnswer } from '#library/publisher/server-answer.js';

test.each([
  ['stored', '{"stream":"orders","seq":7}', { kind: 'stored', sequence: 7, duplicate: false }],
  ['stored before', '{"seq":7,"duplicate":true}', { kind: 'stored', sequence: 7, duplicate: true }],
])('a receipt is read: %s', (_name, body, answer) => {
  expect(readAnswer(body)).toEqual(answer);
});

test.each([
  ['status 503', '{"error":{"code":503,"err_code":10076,"description":"not enabled"}}', 'not enabled'],
  [
    'stream full',
    '{"error":{"code":503,"err_code":10077,"description":"maximum messages exceeded"}}',
    'maximum messages exceeded',
  ],
  ['JetStream temporarily unavailable', '{"error":{"code":500,"err_code":10008,"description":"d"}}', 'd'],
  ['insufficient resources', '{"error":{"code":400,"err_code":10023,"description":"d"}}', 'd'],
  ['the same id is in process', '{"error":{"code":409,"err_code":10158,"description":"d"}}', 'd'],
])('what passes by itself is no refusal: %s', (_name, body, description) => {
  expect(readAnswer(body)).toEqual({ kind: 'unavailable', description });
});

test('a duplicate without a sequence is not stored: nats-server 2.10 says so of a copy that may yet be dropped', () => {
  expect(readAnswer('{"stream":"orders","seq":0,"duplicate":true}').kind).toBe('unavailable');
});

test.each([
  ['not JSON', 'OK'],
  ['empty', ''],
  ['half a JSON', '{"seq":'],
  ['no sequence', '{"stream":"orders"}'],
  ['a sequence that is no number', '{"seq":"7"}'],
])('an answer that says nothing is taken for none, never for a receipt: %s', (_name, body) => {
  expect(readAnswer(body).kind).toBe('unavailable');
});

test.each([['null'], ['7'], ['"text"'], ['[]']])(
  'JSON that is no object is taken for no answer, and nothing throws into the subscription: %s',
  (body) => {
    expect(readAnswer(body).kind).toBe('unavailable');
  },
);

test.each([
  ['message too large', 400, 10054, false],
  ['wrong last sequence', 400, 10071, true],
  ['wrong last sequence, per subject', 400, 10164, true],
  ['a code nobody knows', 418, 99_999, false],
])('a refusal is for good: %s', (_name, code, errorCode, wrongSequence) => {
  const body = JSON.stringify({ error: { code, err_code: errorCode, description: 'why' } });
  expect(readAnswer(body)).toEqual({ kind: 'refused', errorCode, description: 'why', wrongSequence });
});

test('a refusal without details is a refusal still', () => {
  expect(readAnswer('{"error":{}}')).toEqual({
    kind: 'refused',
    errorCode: 0,
    description: 'no description',
    wrongSequence: false,
  });
});

test('no responders is not for good', () => {
  expect(NO_RESPONDERS.kind).toBe('unavailable');
});
