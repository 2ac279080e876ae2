import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { exactNanosOf, exactNanosOfDate, msOf, msOfExactNanos, nanosOf } from '#library/stream/api/time.js';

test.each([
  ['2026-11-29T17:28:04.123456789Z', '1795973284123456789'],
  ['2026-11-29T17:28:04.12Z', '1795973284120000000'],
  ['2026-11-29T17:28:04Z', '1795973284000000000'],
  ['2026-11-29T18:28:04.000000001+01:00', '1795973284000000001'],
  ['1970-01-01T00:00:00.5Z', '500000000'],
])('%s is %s ns', (time, nanos) => {
  expect(exactNanosOf(time)).toBe(nanos);
});

test.each(['', 'yesterday', '2026-11-29', '2026-13-29T17:28:04Z'])(
  '"%s" is no time of the server',
  (text) => {
    expect(exactNanosOf(text)).toBe('');
  },
);

test('whole milliseconds survive the way to nanoseconds and back', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 4_000_000_000_000 }),
      fc.integer({ min: 0, max: 999_999 }),
      (ms, rest) => {
        const date = new Date(ms);
        const iso = date.toISOString().replace('Z', `${String(rest).padStart(6, '0')}Z`);
        expect(exactNanosOf(iso)).toBe((exactNanosOfDate(date) + BigInt(rest)).toString());
        expect(msOfExactNanos(exactNanosOf(iso))).toBe(ms);
      },
    ),
  );
  expect(msOf(nanosOf(120_000))).toBe(120_000);
  expect(msOfExactNanos('soon')).toBe(0);
});
