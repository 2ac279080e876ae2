/** What a statement could see: `pg_current_snapshot()`. */
export interface Snapshot {
  /** Transactions below `end` that had begun to write and had not ended. */
  readonly open: readonly string[];
  /** One above the highest transaction that had ended. What has begun from here on is not listed. */
  readonly end: bigint;
}

/** Reads `xmin:xmax:open,open,…`. */
export function snapshotOf(text: string): Snapshot {
  const [, end = '0', open = ''] = text.split(':');
  return { open: open === '' ? [] : open.split(','), end: BigInt(end) };
}

/**
 * Knows where rows may still appear below the highest id that was read. Ids are drawn in order, but a transaction makes
 * its rows visible when it commits. The race that this prevents:
 *
 * 1. Transaction A adds an event, draws id 1, and stays open.
 * 2. B adds one, draws id 2, and commits. The relay reads id 2.
 * 3. A commits. A relay that reads ids above 2 never sees id 1.
 *
 * Only a transaction that was open at an earlier read, and has ended since, can have brought such rows. A snapshot
 * does not list all that are open: only those below the highest that has ended. If A has a higher number than B, it is
 * not listed in step 2. So every number from `end` on may have been open, and is taken for that.
 *
 * What such a transaction's ids are above: `add` has its transaction's number before it draws an id. A read that brings
 * rows takes a number itself, and ends. A later snapshot lists every open one below that number. One that it does not
 * list has begun after that read, and its ids are above all that the read could see.
 */
export class OpenTransactions {
  /** For each open transaction an id that all of its rows are above. */
  readonly #floors = new Map<string, number>();
  /** Of the last read: where its snapshot ended, and the highest id that was read before it. */
  #last: { readonly end: bigint; readonly cursor: number } | undefined;

  /** The rows of a transaction that the last read did not list are above this id. */
  get unlistedAbove(): number {
    return this.#last?.cursor ?? 0;
  }

  /**
   * Notes what was open when the ids above `cursor` were read. Answers the id above which rows may have appeared up to
   * `cursor`; undefined if none can have.
   */
  note({ open, end }: Snapshot, cursor: number): number | undefined {
    const { end: before, cursor: unlisted } = this.#last ?? { end, cursor };
    this.#last = { end, cursor };
    const floors = this.#takeEnded(new Set(open));
    for (const transaction of open)
      if (!this.#floors.has(transaction)) this.#floors.set(transaction, Math.min(cursor, unlisted));
    if (hasEnded(open, before, end)) floors.push(unlisted);
    const lowest = Math.min(...floors, cursor);
    return lowest < cursor ? lowest : undefined;
  }

  /** The floors of transactions that were open, and are no more. */
  #takeEnded(still: ReadonlySet<string>): number[] {
    const floors: number[] = [];
    for (const [transaction, floor] of this.#floors) {
      if (still.has(transaction)) continue;
      this.#floors.delete(transaction);
      floors.push(floor);
    }
    return floors;
  }
}

/** Whether any transaction from one number up to another has ended: those that are open are listed. */
function hasEnded(open: readonly string[], from: bigint, end: bigint): boolean {
  const listed = open.filter((transaction) => BigInt(transaction) >= from).length;
  return end - from > BigInt(listed);
}
