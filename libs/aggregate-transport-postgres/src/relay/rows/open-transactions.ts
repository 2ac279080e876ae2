/** What a statement could see: `pg_current_snapshot()`. */
export interface Snapshot {
  /** Transactions that had begun to write and had not ended. */
  readonly open: readonly string[];
}

/** Reads `xmin:xmax:open,open,…`. */
export function snapshotOf(text: string): Snapshot {
  const [, , open = ''] = text.split(':');
  return { open: open === '' ? [] : open.split(',') };
}

/**
 * Knows where rows may still appear below the highest id that was read. Ids are drawn in order, but a transaction makes
 * its rows visible when it commits. The race that this prevents:
 *
 * 1. Transaction A adds an event, draws id 1, and stays open.
 * 2. B adds one, draws id 2, and commits. The relay reads id 2.
 * 3. A commits. A relay that reads ids above 2 never sees id 1.
 *
 * Only a transaction that was open at an earlier read, and has ended since, can have brought such rows. It began to
 * write after the read before that one, so its ids are above what that read had reached. (`add` has its transaction's
 * id before it draws an id.) So nothing is read twice while nothing ended, however long a transaction stays open.
 */
export class OpenTransactions {
  /** For each open transaction an id that all of its rows are above. */
  readonly #floors = new Map<string, number>();

  /**
   * Notes what was open when the ids above `cursor` were read. Answers the id above which rows may have appeared up to
   * `cursor`; undefined if none can have.
   */
  note({ open }: Snapshot, cursor: number): number | undefined {
    const still = new Set(open);
    let lowest: number | undefined;
    for (const [transaction, floor] of this.#floors) {
      if (still.has(transaction)) continue;
      this.#floors.delete(transaction);
      if (floor < cursor) lowest = Math.min(lowest ?? floor, floor);
    }
    for (const transaction of still) {
      if (!this.#floors.has(transaction)) this.#floors.set(transaction, cursor);
    }
    return lowest;
  }
}
