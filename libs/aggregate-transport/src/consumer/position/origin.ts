import { isSabotaged } from '#sabotage';
import { partitionOf } from '../../message/partitioning.js';
import { decodeSequences, type PositionOrigin } from '../../records/position-record.js';

/**
 * What the partitions of an earlier layout had settled. A merged partition begins at the first event that any of its
 * sources has not settled. So it meets events that another source had settled: those are passed over.
 */
export class Origin {
  /** No event after this sequence was settled before. */
  readonly through: number;
  readonly #sources: ReadonlyMap<number, { readonly high: number; readonly unsettled: ReadonlySet<number> }>;

  constructor(readonly record: PositionOrigin) {
    this.through = Math.max(0, ...record.sources.map(({ high }) => high));
    this.#sources = new Map(
      record.sources.map(({ partition, high, unsettled }) => [
        partition,
        { high, unsettled: new Set(decodeSequences(unsettled)) },
      ]),
    );
  }

  hasSettled({ token, sequence }: { readonly token: string; readonly sequence: number }): boolean {
    if (sequence > this.through || isSabotaged('origin-ignored')) return false;
    const source = this.#sources.get(partitionOf(token, this.record.partitions));
    return source !== undefined && sequence <= source.high && !source.unsettled.has(sequence);
  }
}
