import { expect, test } from '@jest/globals';
import { checkpointOf, nodeOf, pathTo, slotsOf } from '#postgres/relay/records/shard.js';
import { seededRandom } from '../../../../support/seeded.js';

test('divides all slots among the shards', () => {
  for (const count of [1, 2, 4, 256]) {
    const slots = Array.from({ length: count }, (_, index) => slotsOf({ index, count }));
    expect(slots[0]!.first).toBe(0);
    expect(slots.at(-1)!.last).toBe(255);
    for (const [index, { first }] of slots.entries())
      if (index > 0) expect(first).toBe(slots[index - 1]!.last + 1);
  }
});

test('names the shards that contain a shard, from the only one down to itself', () => {
  expect(pathTo(nodeOf({ index: 0, count: 1 }))).toEqual([1]);
  expect(pathTo(nodeOf({ index: 5, count: 8 }))).toEqual([1, 3, 6, 13]);
});

/** The slots of a node, one by one. */
function slotsOfNode(node: number): number[] {
  const count = 2 ** Math.floor(Math.log2(node));
  const { first, last } = slotsOf({ index: node - count, count });
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

test('takes the highest checkpoint that holds for all slots of a shard, after any numbers of shards before', () => {
  const random = seededRandom('checkpoints');
  for (let run = 0; run < 200; run++) {
    const checkpoints = new Map<number, number>();
    const ofSlot = new Array<number>(256).fill(0);
    for (let i = Math.floor(random() * 8); i > 0; i--) {
      const node = 1 + Math.floor(random() * 31);
      const checkpoint = Math.floor(random() * 1_000);
      checkpoints.set(node, Math.max(checkpoint, checkpoints.get(node) ?? 0));
      for (const slot of slotsOfNode(node)) ofSlot[slot] = Math.max(ofSlot[slot]!, checkpoint);
    }
    const node = 1 + Math.floor(random() * 63);
    const safe = Math.min(...slotsOfNode(node).map((slot) => ofSlot[slot]!));
    expect(checkpointOf(node, checkpoints)).toBe(safe);
  }
});
