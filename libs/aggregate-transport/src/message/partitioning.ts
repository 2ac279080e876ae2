import { requireTopicName } from './topic.js';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const BITS = 8;

/** FNV-1a, 32 bits, over the UTF-16 code units of an ASCII token (the same as over its bytes). */
export function fnv1a32(token: string): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < token.length; i++) hash = Math.imul(hash ^ token.charCodeAt(i), FNV_PRIME);
  return hash >>> 0;
}

const BIT_PATHS = Array.from({ length: 1 << BITS }, (_, slot) =>
  slot.toString(2).padStart(BITS, '0').split('').join('.'),
);

/** The eight subject tokens of a hash: the bits of `hash mod 256`, highest first, as `b7.b6.….b0`. */
export function bitsOf(hash: number): string {
  return BIT_PATHS[hash & 0xff] ?? '';
}

/** A number of partitions a group may have: a power of two from 1 to 256, so that bit prefixes divide the subjects. */
export function isPartitionCount(count: number): boolean {
  return Number.isInteger(count) && count >= 1 && count <= 256 && (count & (count - 1)) === 0;
}

/** The leading subject bits of one partition among `count`, as `0.1`; `''` if there is but one. */
export function partitionBits(partition: number, count: number): string {
  const depth = Math.log2(count);
  return depth === 0 ? '' : partition.toString(2).padStart(depth, '0').split('').join('.');
}

/**
 * The subject filter of one partition among `count`: the leading bits, then everything.
 * It depends on the group alone, so publishers and other groups never notice another count.
 *
 * Of an only partition it is the stream's own subject, token for token: the server then reads the stream in sequence. A
 * filter that admits the same and is written otherwise, such as `<topic>.>`, makes it search for every event.
 *
 * @throws OPTIONS_INVALID if the topic's name is no text
 */
export function partitionFilter(topic: string, partition: number, count: number): string {
  requireTopicName(topic, 'partitionFilter');
  const bits = partitionBits(partition, count);
  return bits === '' ? `${topic}${'.*'.repeat(BITS + 1)}` : `${topic}.${bits}.>`;
}

/** The partition, among `count`, that holds an aggregate's token. */
export function partitionOf(token: string, count: number): number {
  return (fnv1a32(token) & 0xff) >>> (BITS - Math.log2(count));
}
