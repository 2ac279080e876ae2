import { createHash, randomBytes } from 'node:crypto';

/** Hex digits of random bytes in an id, before version and variant are written over some of them. */
const DIGITS = 20;
const IDS_PER_POOL = 256;
/** Fresh random digits as ASCII, taken from the system for many ids at a time. */
let pool = Buffer.alloc(0);
let poolOffset = 0;

/** The variant's two bits in place of a random digit's upper two. */
const VARIANT: Readonly<Record<string, string>> = Object.fromEntries(
  Array.from({ length: 16 }, (_, digit) => [digit.toString(16), (8 | (digit & 3)).toString(16)]),
);
/** The same by the digit's ASCII code. */
const VARIANT_CODE = new Uint8Array(
  Array.from({ length: 128 }, (_, code) => VARIANT[String.fromCharCode(code)]?.charCodeAt(0) ?? 0),
);

/** An id as ASCII, written over by each next one: a text put together of parts would keep all its parts. */
const id = Buffer.from('00000000-0000-7000-8000-000000000000', 'latin1');
let timeMs = Number.NaN;

function writeTime(wallMs: number): void {
  if (wallMs === timeMs) return;
  timeMs = wallMs;
  const digits = Math.floor(wallMs).toString(16).padStart(12, '0');
  id.write(`${digits.slice(0, 8)}-${digits.slice(8)}`, 0, 'latin1');
}

/** `random` holds ASCII digits, and those from `at` on are used. */
function idOf(wallMs: number, random: Uint8Array, at: number): string {
  writeTime(wallMs);
  const write = (from: number, to: number, shift: number): void => {
    for (let digit = from; digit < to; digit++) id[digit + shift] = random[at + digit] ?? 0;
  };
  write(1, 4, 14);
  id[19] = VARIANT_CODE[random[at + 4] ?? 0] ?? 0;
  write(5, 8, 15);
  write(8, DIGITS, 16);
  return id.toString('latin1');
}

/**
 * A UUID version 7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then 74 random bits.
 * Ids of later milliseconds sort after earlier ones; within one millisecond the order is random.
 */
export function newEventId(wallMs: number, random?: string): string {
  if (random !== undefined) return idOf(wallMs, Buffer.from(random, 'latin1'), 0);
  if (poolOffset === pool.length) {
    pool = Buffer.from(randomBytes((DIGITS / 2) * IDS_PER_POOL).toString('hex'), 'latin1');
    poolOffset = 0;
  }
  const at = poolOffset;
  poolOffset += DIGITS;
  return idOf(wallMs, pool, at);
}

/** Of the hash; the rest is not needed to tell ids apart. */
const HASH_DIGITS = 32;

/**
 * The id of an event that follows from others: the same parts give the same id. A UUID version 8 (RFC 9562 §5.8) over
 * the SHA-256 of the parts.
 */
export function causedEventId(parts: readonly (string | number)[]): string {
  const hash = createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, HASH_DIGITS);
  const variant = VARIANT[hash.charAt(16)] ?? '';
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-${variant}${hash.slice(17, 20)}-${hash.slice(20)}`;
}
