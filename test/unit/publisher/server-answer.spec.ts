import { expect, test } from '@jest/globals';
import { NO_RESPONDERS, readAnswer } from '#library/publisher/server-answer.js';

test.each([
  ['stored', '{"stream":"orders","seq":7}', { kind: 'stored', sequence: 7, duplicate: false }],
  ['stored before', '{"seq":7,"duplicate":true}', { kind: 'stored', sequence: 7, duplicate: true }],
])('reads a receipt: %s', (_name, body, answer) => {
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
])('reads a temporary error as unavailable: %s', (_name, body, description) => {
  expect(readAnswer(body)).toEqual({ kind: 'unavailable', description });
});

test('reads a duplicate with sequence 0 as unavailable: nats-server 2.10 may still drop its first copy', () => {
  expect(readAnswer('{"stream":"orders","seq":0,"duplicate":true}').kind).toBe('unavailable');
});

test.each([
  ['not JSON', 'OK'],
  ['empty', ''],
  ['half a JSON', '{"seq":'],
  ['no sequence', '{"stream":"orders"}'],
  ['a sequence that is no number', '{"seq":"7"}'],
])('reads a malformed answer as unavailable, never as a receipt: %s', (_name, body) => {
  expect(readAnswer(body).kind).toBe('unavailable');
});

test.each([['null'], ['7'], ['"text"'], ['[]']])(
  'reads JSON that is not an object as unavailable, and does not throw into the subscription: %s',
  (body) => {
    expect(readAnswer(body).kind).toBe('unavailable');
  },
);

test.each([
  ['message too large', 400, 10054, false],
  ['wrong last sequence', 400, 10071, true],
  ['wrong last sequence, per subject', 400, 10164, true],
  ['an unknown code', 418, 99_999, false],
])('reads a definite refusal: %s', (_name, code, errorCode, wrongSequence) => {
  const body = JSON.stringify({ error: { code, err_code: errorCode, description: 'why' } });
  expect(readAnswer(body)).toEqual({ kind: 'refused', errorCode, description: 'why', wrongSequence });
});

test('reads an error without details as a refusal', () => {
  expect(readAnswer('{"error":{}}')).toEqual({
    kind: 'refused',
    errorCode: 0,
    description: 'no description',
    wrongSequence: false,
  });
});

test('no responders means unavailable', () => {
  expect(NO_RESPONDERS.kind).toBe('unavailable');
});
