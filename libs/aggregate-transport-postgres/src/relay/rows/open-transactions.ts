/** What a statement could see, and what it could not see yet: `pg_current_snapshot()`, and the next transaction id. */
export interface Snapshot {
  /** Transactions below `end` that had not ended. */
  readonly open: readonly bigint[];
  /** The first id after the last one that had ended. Transactions from here on may have been open: none is listed. */
  readonly end: bigint;
  /** No transaction with this id, or a higher one, had begun to write when the statement could see. */
  readonly next: bigint;
}

/** Ids of transactions come round in 32 bits; those of snapshots do not. */
const IDS = 1n << 32n;
/** The lowest id a transaction can have. Its age tells the next id. */
const FIRST_ID = 3n;

/** The text that {@link snapshotOf} reads, as an SQL expression. The next id is read after what the snapshot holds. */
export const SNAPSHOT = `pg_current_snapshot()::text || ' ' || age('${FIRST_ID}'::xid)::text`;

/** Reads `xmin:xmax:open,open,… age`. */
export function snapshotOf(text: string): Snapshot {
  const [snapshot = '', age = '0'] = text.split(' ');
  const [, end = '0', open = ''] = snapshot.split(':');
  const next = BigInt.asUintN(32, BigInt(age) + FIRST_ID);
  const ahead = (next - (BigInt(end) % IDS) + IDS) % IDS;
  return {
    open: open === '' ? [] : open.split(',').map(BigInt),
    end: BigInt(end),
    next: BigInt(end) + ahead,
  };
}

/** Transactions that may be open, from one id up to another one. */
interface Span {
  readonly from: bigint;
  readonly below: bigint;
  /** All of their rows are above this id. */
  readonly floor: number;
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
 *
 * A snapshot lists only those open transactions that a higher one has outrun. A's id may be the highest of all, though
 * its row is not: B began to write earlier, and added later. So all ids up to the next one count as open, too.
 */
export class OpenTransactions {
  #spans: readonly Span[] = [];
  /** Every transaction below it was seen: it is in a span, or has ended. */
  #seenBelow = 0n;

  /**
   * Notes what was open when the ids above `cursor` were read. Answers the id above which rows may have appeared up to
   * `cursor`; undefined if none can have.
   */
  note({ open, end, next }: Snapshot, cursor: number): number | undefined {
    const listed = new Set(open);
    let lowest: number | undefined;
    const spans: Span[] = [];
    for (const span of this.#spans) {
      const { left, hasEnded } = leftOf(span, listed, end);
      spans.push(...left);
      if (hasEnded && span.floor < cursor) lowest = Math.min(lowest ?? span.floor, span.floor);
    }
    const seen = this.#seenBelow;
    for (const id of open) if (id >= seen) spans.push({ from: id, below: id + 1n, floor: cursor });
    const from = end > seen ? end : seen;
    if (next > from) spans.push({ from, below: next, floor: cursor });
    this.#spans = spans;
    this.#seenBelow = next > seen ? next : seen;
    return lowest;
  }
}

/** Which transactions of a span may still be open, and whether one of them has ended. */
function leftOf(
  span: Span,
  listed: ReadonlySet<bigint>,
  end: bigint,
): { readonly left: Span[]; readonly hasEnded: boolean } {
  const { from, below, floor } = span;
  if (from >= end) return { left: [span], hasEnded: false };
  const known = below < end ? below : end;
  const isSingle = known - from === 1n;
  const open = isSingle
    ? [from].filter((id) => listed.has(id))
    : [...listed].filter((id) => id >= from && id < known);
  const left = open.map((id): Span => ({ from: id, below: id + 1n, floor }));
  if (below > known) left.push({ from: known, below, floor });
  return { left, hasEnded: BigInt(open.length) < known - from };
}
