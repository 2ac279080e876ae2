import { partitionOf } from '../../message/partitioning.js';
import type { Position } from '../../records/position-record.js';

/**
 * What the partitions of an earlier layout had settled. The consumer of the layout that followed begins behind what
 * was settled everywhere, so it meets events that one of them had settled: those are acked and not handled.
 */
export class SettledBefore {
  /** No event behind this sequence was settled before. */
  readonly through: number;
  readonly #positions: ReadonlyMap<
    number,
    { readonly delivered: number; readonly unsettled: ReadonlySet<number> }
  >;

  /** `from` is how many partitions that layout had; positions by partition, as far as they overlap this one. */
  constructor(
    private readonly from: number,
    positions: ReadonlyMap<number, Position>,
  ) {
    this.through = Math.max(0, ...[...positions.values()].map(({ delivered }) => delivered));
    this.#positions = new Map(
      [...positions].map(([partition, { delivered, unsettled }]) => [
        partition,
        { delivered, unsettled: new Set(unsettled) },
      ]),
    );
  }

  has({ token, sequence }: { readonly token: string; readonly sequence: number }): boolean {
    if (sequence > this.through) return false;
    const position = this.#positions.get(partitionOf(token, this.from));
    return position !== undefined && sequence <= position.delivered && !position.unsettled.has(sequence);
  }
}
