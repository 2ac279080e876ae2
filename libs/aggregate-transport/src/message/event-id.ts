import { randomFillSync } from 'node:crypto';

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));
const ID_BYTES = 10;
const pool = new Uint8Array(ID_BYTES * 256);
let poolOffset = pool.length;

/** Ten fresh random bytes from a pool that is filled 256 ids at a time. */
function pooledRandom(): Uint8Array {
  if (poolOffset === pool.length) {
    randomFillSync(pool);
    poolOffset = 0;
  }
  return pool.subarray(poolOffset, (poolOffset += ID_BYTES));
}

/**
 * A UUID version 7 (RFC 9562 §5.7): 48 bits of Unix milliseconds, then 74 random bits.
 * Ids of later milliseconds sort after earlier ones; within one millisecond the order is random.
 */
export function newEventId(wallMs: number, random: Uint8Array = pooledRandom()): string {
  const time = Math.floor(wallMs).toString(16).padStart(12, '0');
  const byte = (index: number): string => HEX[random[index] ?? 0] ?? '';
  const version = HEX[0x70 | ((random[0] ?? 0) & 0x0f)] ?? '';
  const variant = HEX[0x80 | ((random[2] ?? 0) & 0x3f)] ?? '';
  return (
    `${time.slice(0, 8)}-${time.slice(8)}-${version}${byte(1)}-${variant}${byte(3)}-` +
    `${byte(4)}${byte(5)}${byte(6)}${byte(7)}${byte(8)}${byte(9)}`
  );
}
