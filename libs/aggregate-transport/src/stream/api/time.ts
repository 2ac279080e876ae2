const NANOS_PER_MS = 1_000_000;
const NANOS_PER_MS_EXACT = 1_000_000n;
const NANOS_DIGITS = 9;
/** RFC 3339 as Go writes it: up to nine digits of a second, zeros at the end left out. */
const SERVER_TIME = /^(.*?)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;

/** The server's API counts durations in nanoseconds, the library in milliseconds. Pure. */
export function nanosOf(ms: number): number {
  return Math.round(ms * NANOS_PER_MS);
}

/** The inverse of {@link nanosOf}. Pure. */
export function msOf(nanos: number): number {
  return nanos / NANOS_PER_MS;
}

/**
 * A time of the server's API as nanoseconds since 1970, exact, as text: the same text that a reply subject has for the
 * same message. '' if it is no time. Pure.
 */
export function exactNanosOf(time: string): string {
  const [, seconds = '', fraction = '', zone = ''] = SERVER_TIME.exec(time) ?? [];
  const ms = Date.parse(seconds + zone);
  if (Number.isNaN(ms)) return '';
  return (BigInt(ms) * NANOS_PER_MS_EXACT + BigInt(fraction.padEnd(NANOS_DIGITS, '0'))).toString();
}

/** Nanoseconds since 1970 as text, in whole milliseconds; 0 for any other text. Pure. */
export function msOfExactNanos(nanos: string): number {
  return /^\d+$/.test(nanos) ? Number(BigInt(nanos) / NANOS_PER_MS_EXACT) : 0;
}

/** A date as nanoseconds since 1970. Pure. */
export function exactNanosOfDate(date: Date): bigint {
  return BigInt(date.getTime()) * NANOS_PER_MS_EXACT;
}
