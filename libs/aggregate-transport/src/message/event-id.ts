import { createHash, randomBytes } from 'node:crypto';

/** Hex digits of random bytes in an id, before version and variant are written over some of them. */
const DIGITS = 20;
const IDS_PER_POOL = 256;
let pool = '';
let poolOffset = 0;

/** Fresh random digits, taken from the system for many ids at a time. */
function pooledRandom(): string {
  if (poolOffset === pool.length) {
    pool = randomBytes((DIGITS / 2) * IDS_PER_POOL).toString('hex');
    poolOffset = 0;
  }
  return pool.slice(poolOffset, (poolOffset += DIGITS));
}

/** The variant's two bits in place of a random digit's upper two. */
const VARIANT: Readonly<Record<string, string>> = Object.fromEntries(
  Array.from({ length: 16 }, (_, digit) => [digit.toString(16), (8 | (digit & 3)).toString(16)]),
);

let timeMs = Number.NaN;
let time = '';

function timeOf(wallMs: number): string {
  if (wallMs !== timeMs) {
    timeMs = wallMs;
    const digits = Math.floor(wallMs).toString(16).padStart(12, '0');
    time = `${digits.slice(0, 8)}-${digits.slice(8)}`;
  }
  return time;
}

/**
 * A UUID version 7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then 74 random bits.
 * Ids of later milliseconds sort after earlier ones; within one millisecond the order is random.
 */
export function newEventId(wallMs: number, random = pooledRandom()): string {
  const variant = VARIANT[random.charAt(4)] ?? '';
  return `${timeOf(wallMs)}-7${random.slice(1, 4)}-${variant}${random.slice(5, 8)}-${random.slice(8)}`;
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
