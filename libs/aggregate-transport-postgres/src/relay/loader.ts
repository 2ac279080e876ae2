import { partitionOf } from 'nestjs-aggregate-transport';
import { SLOTS } from '../outbox/outbox-rows.js';
import type { RelayRecords, TakeOver } from './records/relay-records.js';
import type { Stops } from './records/stops.js';
import { OpenTransactions } from './rows/open-transactions.js';
import type { OutboxRow } from './rows/outbox-row.js';
import type { Page, PageLimits, RowReader, Slots } from './rows/row-reader.js';
import type { Lanes } from './sending/lanes.js';
import type { StreamHeight } from './sending/stream-height.js';

/** The outbox as the loader reads it: what {@link RowReader} is. */
export type RowSource = Pick<RowReader, 'read' | 'readOne'>;

export interface LoaderParts {
  readonly reader: RowSource;
  readonly records: Pick<RelayRecords, 'allowSending'>;
  readonly stops: Pick<Stops, 'remove'>;
  readonly lanes: Lanes;
  readonly height: StreamHeight;
  readonly takeOver: TakeOver;
  readonly slots: Slots;
}

/** An aggregate whose next rows are in the database and not in memory. */
interface Behind {
  /** Its rows up to this id are in memory, or were. */
  above: number;
  /** It was stopped, and is tried again. */
  readonly isRetry: boolean;
  /** The last read brought all it was asked for. */
  mayHaveMore: boolean;
}

/** Ids that may be sent before the next write of `sent_below`. */
const STEP_OF_IDS = 10_000;
/** Rows of one read, at most. */
const PAGE_ROWS = 2_000;
/** Bodies of one read, in bytes. */
const PAGE_BYTES = 8_388_608;

/**
 * Brings rows into memory, each once, in the order of ids for each aggregate. It reads upwards from a cursor. Rows that
 * become visible below the cursor are found by {@link OpenTransactions}. Two kinds of aggregates are read on their own:
 * those with more rows than memory has room for, and stopped ones that are tried again.
 *
 * Each row gets a floor: a stream sequence that it cannot have been stored at or below.
 * - An earlier relay may have sent rows up to the id `sentBelow`. Their floor is the checkpoint of the take-over.
 * - A higher id was never sent. It is stored above all that this relay has heard of the stream so far.
 * - A stopped event may have been stored by a late copy. Its aggregate is looked up from the beginning.
 */
export class Loader {
  readonly #open = new OpenTransactions();
  readonly #behind = new Map<string, Behind>();
  /** Refused, and not written down yet. */
  readonly #stopped = new Set<string>();
  #cursor = 0;
  #sentBelow: number;
  #hasReadOldRows = false;

  constructor(private readonly parts: LoaderParts) {
    this.#sentBelow = parts.takeOver.sentBelow;
  }

  /**
   * How far the checkpoint may go with what is in memory. Undefined while rows that an earlier relay may have sent are
   * not all in memory.
   */
  get checkpoint(): number | undefined {
    const { lanes, height, takeOver } = this.parts;
    if (!this.#hasReadOldRows) return undefined;
    for (const { above, isRetry } of this.#behind.values())
      if (!isRetry && above < takeOver.sentBelow) return undefined;
    return lanes.lowestFloor ?? height.highest;
  }

  /** Some aggregates are read on their own, as memory has room for them. */
  get isBehind(): boolean {
    return this.#behind.size > 0;
  }

  /** The aggregate's first event was refused; its rows are left to a retry. */
  noteStopped(token: string): void {
    this.#stopped.add(token);
    this.#behind.delete(token);
  }

  /** The stop is written down: from here on reads leave the aggregate out. */
  noteStopWritten(token: string): void {
    this.#stopped.delete(token);
  }

  /** Begins to read stopped aggregates that are to be tried again. */
  retry(tokens: readonly string[]): void {
    const { first, last } = this.parts.slots;
    for (const token of tokens) {
      const slot = partitionOf(token, SLOTS);
      if (slot < first || slot > last || this.#stopped.has(token)) continue;
      if (this.#behind.get(token)?.isRetry !== true)
        this.#behind.set(token, { above: 0, isRetry: true, mayHaveMore: true });
    }
  }

  /** Reads what there is room for. Resolves with true if there may be more to read at once. */
  async load(): Promise<boolean> {
    for (const [token, behind] of this.#behind) await this.#loadOne(token, behind);
    const limits = this.#limits();
    if (limits === undefined) return false;
    const without = [...this.#behind.keys()];
    const before = this.#cursor;
    // After a read that brought rows, what it may have missed is read again with the next one.
    const above = Math.min(before, this.#open.unlistedAbove);
    const known = this.parts.lanes.knownIds(above, Number.MAX_SAFE_INTEGER);
    const page = await this.parts.reader.read({ above, without, known }, limits);
    const lower = this.#open.note(page.snapshot, before);
    const whole = lower === undefined || lower >= above ? page : await this.#withLower(lower, page, limits);
    await this.#admit(whole.rows);
    const last = whole.rows.at(-1)?.id ?? before;
    this.#cursor = whole.isFull ? last : Math.max(before, last);
    if (!whole.isFull || this.#cursor >= this.parts.takeOver.sentBelow) this.#hasReadOldRows = true;
    return whole.isFull;
  }

  /**
   * A page, together with rows that have become visible below or among its rows. An aggregate's row in the page may be
   * the successor of one of them. If there are too many, the page ends at the last of them, and the cursor goes back.
   *
   * This read sees more than the one that asked for it. A transaction that has ended between them may have one row in
   * the range of this read and an earlier one below it. So the range grows until it holds all that the read can see.
   */
  async #withLower(from: number, page: Page, limits: PageLimits): Promise<Pick<Page, 'rows' | 'isFull'>> {
    const { lanes, reader } = this.parts;
    const without = [...this.#behind.keys()];
    const upTo = Math.max(this.#cursor, page.rows.at(-1)?.id ?? 0);
    const inPage = page.rows.map(({ id }) => id);
    for (let above = from; ;) {
      const known = [...lanes.knownIds(above, upTo), ...inPage];
      const { rows, isFull, snapshot } = await reader.read({ above, upTo, without, known }, limits);
      const lower = this.#open.note(snapshot, upTo);
      if (lower !== undefined && lower < above) {
        above = lower;
        continue;
      }
      const merged = [...rows, ...page.rows].sort((one, other) => one.id - other.id);
      const end = isFull ? (rows.at(-1)?.id ?? upTo) : upTo;
      return { rows: merged.filter(({ id }) => id <= end), isFull: isFull || page.isFull };
    }
  }

  async #loadOne(token: string, behind: Behind): Promise<void> {
    const { reader } = this.parts;
    const limits = this.#limitsOfOne(token, behind);
    if (limits === undefined) return;
    const page = await reader.readOne(token, behind.above, limits);
    await this.#allow(page.rows);
    // It was refused meanwhile.
    if (this.#behind.get(token) !== behind) return;
    this.#admitOne(behind, page);
    if (page.isFull) return;
    if (!behind.isRetry) this.#behind.delete(token);
    else if (page.rows.length === 0) await this.#endRetry(token);
  }

  /** No page is read between the last look and this, so what commits later is found as any other row. */
  async #endRetry(token: string): Promise<void> {
    const { lanes, stops } = this.parts;
    if (lanes.unmarkedOf(token) > 0) return;
    await stops.remove(token);
    this.#behind.delete(token);
  }

  /** Undefined if nothing of the aggregate is to be read now. */
  #limitsOfOne(token: string, { isRetry, mayHaveMore }: Behind): PageLimits | undefined {
    const { lanes } = this.parts;
    const waiting = lanes.find(token)?.rows.length ?? 0;
    if (waiting > lanes.mostOfOne / 2) return undefined;
    // A retry ends when all is marked and nothing is left, so look again then.
    if (isRetry && !mayHaveMore && lanes.unmarkedOf(token) > 0) return undefined;
    return this.#limits(lanes.mostOfOne - waiting);
  }

  #admitOne(behind: Behind, page: Page): void {
    for (const row of page.rows) this.parts.lanes.add(row, behind.isRetry ? 0 : this.#floorOf(row));
    behind.above = page.rows.at(-1)?.id ?? behind.above;
    behind.mayHaveMore = page.isFull;
  }

  async #admit(rows: readonly OutboxRow[]): Promise<void> {
    await this.#allow(rows);
    const { lanes } = this.parts;
    for (const row of rows) {
      const { token } = row.event;
      if (this.#stopped.has(token)) continue;
      const waiting = lanes.find(token)?.rows ?? [];
      const last = waiting.at(-1);
      if (last !== undefined && waiting.length >= lanes.mostOfOne)
        this.#behind.set(token, { above: last.id, isRetry: false, mayHaveMore: true });
      else lanes.add(row, this.#floorOf(row));
    }
  }

  #floorOf({ id }: OutboxRow): number {
    const { height, takeOver } = this.parts;
    return id <= takeOver.sentBelow ? takeOver.checkpoint : height.highest;
  }

  /** Writes down that these rows may be sent, before any of them can be. */
  async #allow(rows: readonly OutboxRow[]): Promise<void> {
    const highest = rows.at(-1)?.id ?? 0;
    if (highest <= this.#sentBelow) return;
    this.#sentBelow = highest + STEP_OF_IDS;
    await this.parts.records.allowSending(this.#sentBelow);
  }

  #limits(rows = PAGE_ROWS): PageLimits | undefined {
    const { room } = this.parts.lanes;
    if (room === undefined) return undefined;
    return { rows: Math.min(rows, room.rows, PAGE_ROWS), bytes: Math.min(room.bytes, PAGE_BYTES) };
  }
}
