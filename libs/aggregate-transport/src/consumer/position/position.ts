import type { Delivery } from '../../message/delivery.js';
import { encodeSequences, type PositionRecord } from '../../records/position-record.js';
import type { Ledger } from './ledger.js';
import { Origin } from './origin.js';
import type { PositionBody, PositionSource } from './position-writer.js';

/** The part of a record that tells of owners that died. */
export interface StartsSource {
  snapshot(): Pick<PositionRecord, 'deaths' | 'window' | 'starts'>;
}

/** What may still be taken in although nothing more is asked for. */
export interface ComingEvents {
  /** Asked for and not delivered, or delivered and held back. */
  readonly coming: number;
  /** Up to a sequence: what a reader may have missed, and is to be read again. Ascending. */
  unread(through: number): readonly number[];
}

/**
 * What this process knows of the place of a partition, in one tenure: what the claimed record said, and what has been
 * settled since. Answers whether an event is to be handled, and says what the next commit writes.
 */
export class Position implements PositionSource {
  #created = '';
  #run = 0;
  #replayUntil: number | undefined;
  #origin: Origin | undefined;
  /** Settled since the tenure began, by the last snapshot and by the last confirmed one. */
  #snapshotLeft = 0;
  #confirmedLeft = 0;
  #ahead: ComingEvents | undefined;

  constructor(
    private readonly ledger: Ledger,
    private readonly starts: StartsSource,
  ) {}

  /** When the topic's stream was made; '' before the first claim. */
  get created(): string {
    return this.#created;
  }

  get run(): number {
    return this.#run;
  }

  /** Events up to here were reached before the last reset. */
  get replayUntil(): number {
    return this.#replayUntil ?? 0;
  }

  /** Events taken in and not settled in the confirmed position. */
  get unconfirmed(): number {
    return this.ledger.takenIn - this.#confirmedLeft;
  }

  /**
   * Counts these events among those that may have started by the next commit. Called once, before the first
   * {@link begin}.
   */
  attach(ahead: ComingEvents): void {
    this.#ahead = ahead;
  }

  /** Begins a tenure. `unsettled` are the sequences that the record lists, ascending. */
  begin(record: PositionRecord, unsettled: readonly number[]): void {
    const { high, highTime, created, run, origin, replayUntil } = record;
    this.ledger.begin({ high, highTime, unsettled });
    this.#created = created;
    this.#run = run;
    this.#replayUntil = replayUntil;
    this.#origin = origin && new Origin(origin);
    this.#snapshotLeft = this.#confirmedLeft = 0;
  }

  /** Forgets what is unsettled; the stream and the run stay known. */
  end(): void {
    this.ledger.end();
    this.#origin = undefined;
  }

  /** True if an event must not be handled: the claimed record, or an earlier layout, has settled it. */
  hasSettled(event: Delivery): boolean {
    return this.ledger.isSettledByClaim(event.sequence) || this.#origin?.hasSettled(event) === true;
  }

  snapshot(): PositionBody {
    const { high, highTime, unsettled } = this.ledger.snapshot();
    const unread = this.#ahead?.unread(high) ?? [];
    this.#snapshotLeft = this.ledger.takenInAndSettled;
    // All that the sources had settled has been read: what is open stands in this record by now.
    if (this.#origin !== undefined && this.ledger.readThrough >= this.#origin.through)
      this.#origin = undefined;
    const starts = this.starts.snapshot();
    return {
      created: this.#created,
      high,
      highTime,
      unsettled: encodeSequences(unread.length === 0 ? unsettled : merged(unsettled, unread)),
      ...starts,
      // A bound that has fallen is still exceeded by what was taken in, or asked for, under the one before.
      window: Math.max(starts.window, this.ledger.held + unread.length + (this.#ahead?.coming ?? 0)),
      run: this.#run,
      ...(this.#origin === undefined ? {} : { origin: this.#origin.record }),
      ...(this.#replayUntil === undefined ? {} : { replayUntil: this.#replayUntil }),
    };
  }

  /** The last snapshot is confirmed. There is never more than one on its way. */
  noteConfirmed(): void {
    this.#confirmedLeft = this.#snapshotLeft;
  }

  /** True once every source of an earlier layout has been read to its end, and a commit should say so. */
  get isOriginDone(): boolean {
    return this.#origin !== undefined && this.ledger.readThrough >= this.#origin.through;
  }
}

function merged(some: readonly number[], others: readonly number[]): readonly number[] {
  return [...new Set([...some, ...others])].sort((a, b) => a - b);
}
