import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  bitsOf,
  fnv1a32,
  isPartitionCount,
  partitionFilter,
  partitionOf,
} from '#library/message/partitioning.js';
import {
  aggregateIdOf,
  isSubjectOfAggregate,
  streamSubjectOf,
  subjectOf,
  tokenOf,
  tokenOfSubject,
} from '#library/message/subject.js';
import { codeOf } from './code-of.js';

interface Vector {
  readonly id: string;
  readonly token: string;
  readonly hash: string;
  readonly subject: string;
  readonly partitions: Readonly<Record<string, number>>;
}

/** What other languages check themselves against; see docs. Made once, by hand-checked code, and never changed. */
const vectors = JSON.parse(
  readFileSync(new URL('subject-vectors.json', import.meta.url), 'utf8'),
) as readonly Vector[];

const COUNTS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** FNV-1a 32 as its authors wrote it, over bytes, with exact arithmetic. */
function referenceFnv(text: string): number {
  let hash = 0x811c9dc5n;
  for (const byte of Buffer.from(text, 'utf8')) hash = ((hash ^ BigInt(byte)) * 0x01000193n) & 0xffffffffn;
  return Number(hash);
}

/** NATS: `*` is any one token, `>` is one or more at the end. */
function natsMatches(filter: string, subject: string): boolean {
  const [wanted, found] = [filter.split('.'), subject.split('.')];
  for (const [index, part] of wanted.entries()) {
    if (part === '>') return found.length > index;
    if (found[index] === undefined || (part !== '*' && part !== found[index])) return false;
  }
  return wanted.length === found.length;
}

function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** Any well-formed text of 1 to 256 UTF-8 bytes. */
const anyId = fc
  .oneof(
    fc.string({ unit: 'binary', minLength: 1, maxLength: 256 }),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
    fc.string({ minLength: 1, maxLength: 256 }),
    fc.string({
      unit: fc.constantFrom(...'abcXYZ019_-.*>~ :/'.split('')),
      minLength: 1,
      maxLength: 256,
    }),
  )
  .filter((id) => isWellFormed(id) && Buffer.byteLength(id, 'utf8') <= 256);

describe("an aggregate's token", () => {
  test('gives back its id, is one plain subject token, and is short, for any id', () => {
    fc.assert(
      fc.property(anyId, (id) => {
        const token = tokenOf(id);
        expect(aggregateIdOf(token)).toBe(id);
        expect(token).toMatch(/^~?[A-Za-z0-9_-]+$/);
        expect(token.length).toBeLessThanOrEqual(343);
        expect(tokenOfSubject(subjectOf('orders', token))).toBe(token);
      }),
      { numRuns: 500 },
    );
  });

  test('is never shared by two ids', () => {
    fc.assert(
      fc.property(anyId, anyId, (one, other) => {
        expect(tokenOf(one) === tokenOf(other)).toBe(one === other);
      }),
    );
    const ids = [
      'a',
      'A',
      '~a',
      '~YQ',
      'YQ',
      'a ',
      ' a',
      'a.',
      '.a',
      'é',
      'e\u0301',
      '\ufeffa',
      'a\u0000',
      'ａ',
    ];
    expect(new Set(ids.map(tokenOf)).size).toBe(ids.length);
  });

  test('is the id itself where that is 1 to 128 plain characters', () => {
    for (const id of ['a', 'order-4711', 'A_b-9', '-', '_', 'x'.repeat(128)]) expect(tokenOf(id)).toBe(id);
  });

  test.each([
    ['129 plain characters', 'x'.repeat(129)],
    ['256 plain characters', 'x'.repeat(256)],
    ['dots', 'a.b.c'],
    ['a space', 'order 1'],
    ['a wildcard', '*'],
    ['the other wildcard', '>'],
    ['the mark itself', '~YQ'],
    ['emoji', '🚚🚚'],
    ['256 bytes of emoji', '🚚'.repeat(64)],
    ['line breaks', 'a\r\nPUB x 0'],
    ['NUL', '\u0000'],
    ['a byte order mark', '\ufefforder'],
  ])('is encoded for an id of %s', (_name, id) => {
    const token = tokenOf(id);
    expect(token).toMatch(/^~[A-Za-z0-9_-]+$/);
    expect(aggregateIdOf(token)).toBe(id);
  });

  test.each([
    ['empty', ''],
    ['257 plain characters', 'x'.repeat(257)],
    ['257 bytes in fewer characters', `${'é'.repeat(128)}x`],
    ['a lone high surrogate', 'a\ud83d'],
    ['a lone low surrogate', '\ude00a'],
    ['swapped surrogates', '\ude00\ud83d'],
    ['undefined', undefined],
    ['null', null],
    ['a number', 4_711],
    ['a boolean', true],
    ['an object', {}],
    ['a list of one id', ['a']],
  ])('does not exist for an id that is %s', (_name, id) => {
    expect(codeOf(() => tokenOf(id as string))).toBe('AGGREGATE_ID_INVALID');
  });
});

describe('subjects', () => {
  test('the hash is FNV-1a 32: published vectors', () => {
    expect(fnv1a32('')).toBe(0x811c9dc5);
    expect(fnv1a32('a')).toBe(0xe40c292c);
    expect(fnv1a32('foobar')).toBe(0xbf9cf968);
  });

  test('the hash is FNV-1a 32: any token', () => {
    fc.assert(
      fc.property(anyId, (id) => {
        const token = tokenOf(id);
        expect(fnv1a32(token)).toBe(referenceFnv(token));
      }),
    );
  });

  test('carry the lowest eight bits of the hash, highest first', () => {
    expect(bitsOf(0)).toBe('0.0.0.0.0.0.0.0');
    expect(bitsOf(0xdeadbe01)).toBe('0.0.0.0.0.0.0.1');
    expect(bitsOf(0xffffff80)).toBe('1.0.0.0.0.0.0.0');
    expect(bitsOf(0xb5)).toBe('1.0.1.1.0.1.0.1');
    expect(subjectOf('orders', 'a')).toBe('orders.0.0.1.0.1.1.0.0.a');
  });

  test("are taken in by the topic's stream, and nothing else is", () => {
    const filter = streamSubjectOf('orders');
    fc.assert(
      fc.property(anyId, (id) => {
        expect(natsMatches(filter, subjectOf('orders', tokenOf(id)))).toBe(true);
        expect(natsMatches(filter, subjectOf('orders2', tokenOf(id)))).toBe(false);
      }),
    );
    expect(natsMatches(filter, 'orders.0.0.0.0.0.0.0.0')).toBe(false);
    expect(natsMatches(filter, 'orders.0.0.0.0.0.0.0.0.a.b')).toBe(false);
  });
});

describe('partitions', () => {
  test('their number is a power of two up to 256', () => {
    const counts = Array.from({ length: 1_000 }, (_, n) => n - 10).filter(isPartitionCount);
    expect(counts).toEqual(COUNTS);
    for (const count of [1.5, Number.NaN, Number.POSITIVE_INFINITY, 512])
      expect(isPartitionCount(count)).toBe(false);
  });

  test('of every number divide the subjects: each is in exactly the one that partitionOf names', () => {
    fc.assert(
      fc.property(anyId, fc.constantFrom(...COUNTS), (id, count) => {
        const token = tokenOf(id);
        const subject = subjectOf('orders', token);
        const holders = Array.from({ length: count }, (_, partition) => partition).filter((partition) =>
          natsMatches(partitionFilter('orders', partition, count), subject),
        );
        expect(holders).toEqual([partitionOf(token, count)]);
      }),
    );
  });

  test('an only one filters by the very subject of the stream, which costs the server nothing', () => {
    expect(partitionFilter('orders', 0, 1)).toBe(streamSubjectOf('orders'));
    expect(partitionFilter('orders', 1, 4)).toBe('orders.0.1.>');
  });

  test('split in two when their number doubles: no aggregate moves anywhere else', () => {
    fc.assert(
      fc.property(anyId, fc.constantFrom(...COUNTS.slice(0, -1)), (id, count) => {
        const token = tokenOf(id);
        expect(partitionOf(token, 2 * count) >> 1).toBe(partitionOf(token, count));
      }),
    );
  });

  test('share ordinary ids evenly', () => {
    const sizes = new Array<number>(8).fill(0);
    for (let n = 0; n < 8_000; n++) sizes[partitionOf(`order-${n}`, 8)]!++;
    for (const size of sizes) expect(Math.abs(size - 1_000)).toBeLessThan(150);
  });
});

describe('the vectors for other languages', () => {
  test.each(vectors.map((vector) => [JSON.stringify(vector.id).slice(0, 40), vector] as const))(
    'hold: %s',
    (_name, vector) => {
      expect(tokenOf(vector.id)).toBe(vector.token);
      expect(aggregateIdOf(vector.token)).toBe(vector.id);
      expect(referenceFnv(vector.token).toString(16).padStart(8, '0')).toBe(vector.hash);
      expect(fnv1a32(vector.token).toString(16).padStart(8, '0')).toBe(vector.hash);
      expect(subjectOf('orders', vector.token)).toBe(vector.subject);
      for (const [count, partition] of Object.entries(vector.partitions)) {
        expect([count, partitionOf(vector.token, Number(count))]).toEqual([count, partition]);
      }
      expect(Object.keys(vector.partitions)).toEqual(['1', '2', '4', '8', '256']);
    },
  );

  test('are enough to find a wrong implementation', () => {
    expect(vectors.length).toBeGreaterThanOrEqual(12);
    expect(new Set(vectors.map(({ partitions }) => partitions['8'])).size).toBeGreaterThanOrEqual(6);
    expect(vectors.some(({ token }) => token.startsWith('~'))).toBe(true);
  });
});

describe('a subject of our depth', () => {
  test('belongs to an aggregate if it is what its id gives', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }), (id) => {
        const token = tokenOf(id);
        expect(isSubjectOfAggregate(subjectOf('orders', token), 'orders', token)).toBe(true);
      }),
    );
  });

  test.each([
    ['a token that should have been encoded', 'tenant:7'],
    ['a token that begins like a marker key', '=YWJj'],
    ['a token that is encoded without need', '~YWJj'],
    ['a token that decodes to nothing', '~'],
    ['a token that is no base64url', '~!!'],
    ['a token of bytes that are no UTF-8', '~_w'],
    ['a token of 257 bytes', `~${Buffer.from('ä'.repeat(128) + '!', 'utf8').toString('base64url')}`],
    ['a plain token of 129 characters', 'a'.repeat(129)],
  ])('belongs to no aggregate with %s, which stands for itself', (_what, token) => {
    expect(isSubjectOfAggregate(subjectOf('orders', token), 'orders', token)).toBe(false);
    expect(aggregateIdOf(token)).toBe(token);
  });

  test('belongs to no aggregate with other bits than its token has', () => {
    const subject = subjectOf('orders', 'a');
    for (let slot = 0; slot < 256; slot++) {
      const other = `orders.${bitsOf(slot)}.a`;
      expect(isSubjectOfAggregate(other, 'orders', 'a')).toBe(other === subject);
    }
    expect(isSubjectOfAggregate('orders.x.x.x.x.x.x.x.x.a', 'orders', 'a')).toBe(false);
  });
});

test('the matcher of this test knows NATS wildcards', () => {
  expect(natsMatches('a.*.c', 'a.b.c')).toBe(true);
  expect(natsMatches('a.*.c', 'a.b.d')).toBe(false);
  expect(natsMatches('a.*', 'a')).toBe(false);
  expect(natsMatches('a.*', 'a.b.c')).toBe(false);
  expect(natsMatches('a.>', 'a.b.c')).toBe(true);
  expect(natsMatches('a.>', 'a')).toBe(false);
});
