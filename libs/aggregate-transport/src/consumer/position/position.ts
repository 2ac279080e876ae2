import type { Delivery } from '../../message/delivery.js';
import { encodeSequences, type PositionRecord } from '../../records/position-record.js';
import type { Ledger } from './ledger.js';
import { Origin } from './origin.js';
import { Runs } from './runs.js';
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
  #runs = new Runs(0);
  /** Events up to here are to stay in the run they are of; the next snapshot begins another one after them. */
  #raiseAfter: number | undefined;
  /** What the snapshot on its way says. */
  #sentRuns = this.#runs;
  #replayUntil: number | undefined;
  #replayRun = 0;
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

  /** The run of the latest events. */
  get run(): number {
    return this.#runs.run;
  }

  /** The run of one event of the present stream. */
  runOf(sequence: number): number {
    return this.#runs.of(sequence);
  }

  /** The run cannot grow before more events are settled. */
  get isRunFull(): boolean {
    return this.#runs.isFull;
  }

  /**
   * Snapshots from now on let the run grow, for events after all that are taken in, and after `startedThrough`. It has
   * grown once one of them is confirmed. No event may start in between: it would be of the run before.
   */
  raiseRun(startedThrough: number): void {
    this.#raiseAfter = startedThrough;
  }

  /** The last event taken in or passed over. */
  get lastTaken(): number {
    return this.ledger.lastTaken;
  }

  /** The last event that an owner may have started before the run grew; 0 if it has not. */
  get raisedThrough(): number {
    return this.#runs.steps.at(-1)?.[0] ?? 0;
  }

  /** The run in which the last reset began. */
  get replayRun(): number {
    return this.#replayRun;
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
    const { high, highTime, created, run, runs, origin, replayUntil, replayRun } = record;
    this.ledger.begin({ high, highTime, unsettled });
    this.#created = created;
    this.#runs = this.#sentRuns = new Runs(run, runs);
    this.#raiseAfter = undefined;
    this.#replayUntil = replayUntil;
    this.#replayRun = replayRun ?? run;
    this.#origin = origin && new Origin(origin);
    this.#snapshotLeft = this.#confirmedLeft = 0;
  }

  /** Forgets what is unsettled; the stream and the run stay known. */
  end(): void {
    this.ledger.end();
    this.#origin = this.#raiseAfter = undefined;
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
    const runs = (this.#sentRuns = this.#nextRuns());
    return {
      created: this.#created,
      high,
      highTime,
      unsettled: encodeSequences(unread.length === 0 ? unsettled : merged(unsettled, unread)),
      ...starts,
      // A bound that has fallen is still exceeded by what was taken in, or asked for, under the one before.
      window: Math.max(starts.window, this.ledger.held + unread.length + (this.#ahead?.coming ?? 0)),
      run: runs.run,
      ...(runs.steps.length === 0 ? {} : { runs: runs.steps }),
      ...(this.#origin === undefined ? {} : { origin: this.#origin.record }),
      ...this.#replay(runs.run),
    };
  }

  #replay(run: number): Pick<PositionRecord, 'replayUntil' | 'replayRun'> {
    const [replayUntil, replayRun] = [this.#replayUntil, this.#replayRun];
    if (replayUntil === undefined) return {};
    return replayRun === run ? { replayUntil } : { replayUntil, replayRun };
  }

  #nextRuns(): Runs {
    const runs = this.#runs.settled(this.ledger.settledThrough);
    if (this.#raiseAfter === undefined) return runs;
    return runs.raised(Math.max(this.#raiseAfter, this.ledger.lastTaken));
  }

  /** The last snapshot is confirmed. There is never more than one on its way. */
  noteConfirmed(): void {
    this.#confirmedLeft = this.#snapshotLeft;
    if (this.#sentRuns.run > this.#runs.run) this.#raiseAfter = undefined;
    this.#runs = this.#sentRuns;
  }

  /** True once every source of an earlier layout has been read to its end, and a commit should say so. */
  get isOriginDone(): boolean {
    return this.#origin !== undefined && this.ledger.readThrough >= this.#origin.through;
  }
}

function merged(some: readonly number[], others: readonly number[]): readonly number[] {
  return [...new Set([...some, ...others])].sort((a, b) => a - b);
}
