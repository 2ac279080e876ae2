import { SLOTS } from '../../outbox/outbox-rows.js';
import type { Slots } from '../rows/row-reader.js';

/**
 * One of a number of shards: a power of two from 1 to 256. Its node is `count + index`. The nodes of all numbers of
 * shards form a tree: 1 is the root, and 2n and 2n + 1 are the halves of n.
 */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

export function nodeOf({ index, count }: Shard): number {
  return count + index;
}

/** The slots of a shard. Pure. */
export function slotsOf({ index, count }: Shard): Slots {
  const size = SLOTS / count;
  return { first: index * size, last: (index + 1) * size - 1 };
}

/** The nodes that hold all slots of a node, from the root to the node itself. Pure. */
export function pathTo(node: number): number[] {
  return node <= 1 ? [1] : [...pathTo(Math.floor(node / 2)), node];
}

/**
 * How far the stream is known to hold nothing unmarked of a node's slots. Pure. What holds for a node above it, or for
 * both of its halves, holds for it. Processes may have had another number of shards before.
 */
export function checkpointOf(node: number, checkpoints: ReadonlyMap<number, number>): number {
  const above = pathTo(node).map((one) => checkpoints.get(one) ?? 0);
  return Math.max(...above, below(node, checkpoints));
}

function below(node: number, checkpoints: ReadonlyMap<number, number>): number {
  const own = checkpoints.get(node) ?? 0;
  if (node >= SLOTS) return own;
  return Math.max(own, Math.min(below(2 * node, checkpoints), below(2 * node + 1, checkpoints)));
}
