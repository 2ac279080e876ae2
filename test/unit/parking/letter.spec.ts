import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { decodeNote, encodeNote, type LetterNote, shorten } from '#library/records/letter.js';

const note: LetterNote = {
  marker: 7,
  sequence: 42,
  stream: '2026-01-01T00:00:00Z',
  storedAt: 1_767_225_600_000,
  reason: 'EXHAUSTED',
  error: 'Error: no stock',
  attempts: 3,
};

test('a note is read as it was written, for any error text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 500 }), fc.nat(), (error, sequence) => {
      expect(decodeNote(encodeNote({ ...note, sequence, error }))).toEqual({ ...note, sequence, error });
    }),
  );
  const { marker, sequence, stream, storedAt } = note;
  const bare = { marker, sequence, stream, storedAt };
  expect(decodeNote(encodeNote(bare))).toEqual(bare);
});

test('a note is one line of printable ASCII, so that no header can be smuggled in with an error', () => {
  const error = 'bad\r\nNats-Msg-Id: x\r\n\r\n\u2028 Größe 数量 \u{1f600} \u0000 \u007f \ud800';
  const text = encodeNote({ ...note, error });
  expect(text).toMatch(/^[ -~]+$/);
  expect(decodeNote(text)?.error).toBe(error);
});

test.each([
  ['plain', 'x'],
  ['quotes', '"'],
  ['back slashes', '\\'],
  ['line breaks', '\n'],
  ['control characters', '\u0001'],
  ['umlauts', 'ß'],
  ['pairs', '\u{1f600}'],
  ['half pairs', '\udc00'],
])('a note of the longest error fits into what an event leaves free: %s', (_what, character) => {
  const text = encodeNote({ ...note, error: character.repeat(100_000) });
  // Of the 8 KiB that every event leaves free; the rest is for the other headers.
  expect(text.length).toBeLessThan(6_144);
  expect(decodeNote(text)?.error).toMatch(/…$/);
});

test('an error that fits is not shortened', () => {
  expect(shorten('x'.repeat(4_000))).toBe('x'.repeat(4_000));
  expect(shorten('x'.repeat(4_001))).toBe(`${'x'.repeat(4_000)}…`);
});

test.each([[''], ['{'], ['null'], ['5'], ['[]'], ['{}'], ['{"marker":1}'], ['{"marker":"1","sequence":2}']])(
  'a text of another program is no note: %s',
  (text) => expect(decodeNote(text)).toBeUndefined(),
);
