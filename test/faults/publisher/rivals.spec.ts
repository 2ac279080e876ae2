import { describe, expect, test } from '@jest/globals';
import { judgeChain, runRivals } from './rivals.js';
import { drawSeed } from '../../support/seeded.js';

const VERSIONS = ['2.15', '2.10'];

describe('two publishers of one aggregate', () => {
  test.each(VERSIONS)(
    'that rely on expectedSequence store one chain, and no retry is a conflict with itself (%s)',
    async (serverVersion) => {
      const seed = drawSeed(`rivals, nats-server ${serverVersion}`);
      const result = await runRivals({ serverVersion, replicas: 1, seed, faults: 6 });
      if (result.findings.length > 0) throw new Error(`seed ${seed}:\n${result.findings.join('\n')}`);
      expect(result.stored).toBeGreaterThan(100);
      expect(result.conflicts).toBeGreaterThan(0);
      expect(result.again).toBeGreaterThan(0);
    },
    60_000,
  );
});

describe('the verdict on a chain is red for', () => {
  const link = (id: string, expected: number, seq: number) => ({ id, expected, seq });
  const rival = (receipts: [string, number][], ...conflicts: string[]) => ({
    receipts: new Map(receipts),
    conflicts: new Set(conflicts),
  });
  const good = [link('a', 0, 1), link('b', 1, 2)];

  test('nothing, if all is well', () => {
    expect(judgeChain(good, [rival([['a', 1]], 'c'), rival([['b', 2]])])).toEqual([]);
  });

  test.each([
    ['an event that expected another one', [...good, link('c', 1, 3)], []],
    ['an event that is stored twice', [...good, link('b', 2, 3)], []],
    ['a receipt for nothing', good, [rival([['c', 3]])]],
    ['a receipt with a wrong sequence', good, [rival([['a', 2]])]],
    ['a conflict of an event that is stored', good, [rival([], 'b')]],
  ])('%s', (_name, links, rivals) => {
    expect(judgeChain(links, rivals)).toHaveLength(1);
  });
});
