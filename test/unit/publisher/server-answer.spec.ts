import { expect, test } from '@jest/globals';
import { describeAnswer, NO_RESPONDERS, readAnswer, type Refusal } from '#library/publisher/server-answer.js';

test.each([
  ['stored', '{"stream":"orders","seq":7}', { kind: 'stored', sequence: 7, duplicate: false }],
  ['stored before', '{"seq":7,"duplicate":true}', { kind: 'stored', sequence: 7, duplicate: true }],
])('reads a receipt: %s', (_name, body, answer) => {
  expect(readAnswer(body)).toEqual(answer);
});

test.each([
  ['another status 503', 503, 10_000, 'd'],
  ['the disk of one server of a cluster', 503, 10_077, 'write error: no space left on device'],
  ['JetStream temporarily unavailable', 500, 10_008, 'd'],
  ['the same id is in process', 409, 10_158, 'd'],
])('reads a temporary error as unavailable: %s', (_name, code, errorCode, description) => {
  const body = JSON.stringify({ error: { code, err_code: errorCode, description } });
  expect(readAnswer(body)).toEqual({ kind: 'unavailable', errorCode, description });
});

test.each([
  ['full', 503, 10_077, 'maximum messages exceeded'],
  ['full', 503, 10_077, 'maximum bytes exceeded'],
  ['full', 503, 10_077, 'maximum messages per subject exceeded'],
  ['full', 400, 10_002, 'resource limits exceeded for account'],
  ['absent', 503, 10_023, 'insufficient resources'],
  ['absent', 503, 10_076, 'JetStream not enabled'],
  ['absent', 503, 10_039, 'JetStream not enabled for account'],
])('reads that this copy is certainly not stored, %s: %i %i %s', (refusal, code, errorCode, description) => {
  const body = JSON.stringify({ error: { code, err_code: errorCode, description } });
  const answer = readAnswer(body);
  expect(answer).toEqual({ kind: 'unavailable', errorCode, description, refusal });
  expect(describeAnswer(answer as Refusal)).toBe(`${errorCode}: ${description}`);
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

test('tells a refusal that has nothing to do with the event: the stream is sealed', () => {
  const body = JSON.stringify({ error: { code: 400, err_code: 10_109, description: 'sealed' } });
  expect(readAnswer(body)).toMatchObject({ kind: 'refused', concernsAll: true });
});

test('reads an error without details as a refusal', () => {
  expect(readAnswer('{"error":{}}')).toEqual({
    kind: 'refused',
    errorCode: 0,
    description: 'no description',
    wrongSequence: false,
  });
});

test('no responders means unavailable, and that no stream has this copy', () => {
  expect(NO_RESPONDERS).toMatchObject({ kind: 'unavailable', refusal: 'absent' });
  expect(describeAnswer(NO_RESPONDERS)).toMatch(/^no stream has this subject/);
});
