import type { OutboxRow } from '../rows/outbox-row.js';

/** A row with the stream sequence that it cannot have been stored at or below. */
export interface PendingRow extends OutboxRow {
  readonly floor: number;
}

/** What is known of an aggregate's end in the stream. */
export interface KnownEnd {
  /** The sequence of its last event. */
  readonly last: number;
  /** No row that is yet to come is stored above this and at or below `last`: what stands there was sent by this relay. */
  readonly knownFrom: number;
}

export type LaneMode = 'resting' | 'ready' | 'looking' | 'sending' | 'waiting' | 'stopped';

const MAY_ENTER_FROM: Readonly<Record<LaneMode, readonly LaneMode[]>> = {
  resting: ['looking', 'sending'],
  ready: ['resting', 'looking', 'sending', 'waiting'],
  looking: ['ready'],
  sending: ['ready'],
  waiting: ['looking', 'sending'],
  stopped: ['sending'],
};

/**
 * Keeps the rows of one aggregate in the order of ids, and what is known of its end in the stream. All rests on one
 * rule. A row is sent with an expected sequence only if it is known that the row is not stored at or below it. The
 * server compares and stores in one step. So no copy of the row is stored above that sequence either, but this one.
 *
 * A look reads the stream from a row's floor on. Rows of an aggregate are stored in the order of ids. So if all that a
 * look finds are rows in memory, a row that is read later is not among them. Nor is it among what is sent from here on.
 * One look then serves all rows with that floor or a higher one, however many pages bring them.
 *
 * Its modes:
 *
 * - `resting`: it has no rows to send.
 * - `ready`: the next look-up or send may begin.
 * - `looking`: the aggregate's tail is being read.
 * - `sending`: a chain is on its way.
 * - `waiting`: the last attempt failed for now. A timer makes it ready.
 * - `stopped`: its first event was refused for good. Final: the lane is dropped when that is written down.
 */
export class Lane {
  #mode: LaneMode = 'resting';
  #rows: PendingRow[] = [];
  #last: number | undefined;
  /** As in {@link KnownEnd}; means nothing while `last` is not known. */
  #knownFrom = 0;
  /** What is being read or sent holds for rows with at least this floor. */
  #provenFrom = 0;
  #isUnproven = false;
  #failures = 0;

  constructor(
    readonly token: string,
    end: KnownEnd | undefined,
  ) {
    this.#last = end?.last;
    this.#knownFrom = end?.knownFrom ?? 0;
  }

  get mode(): LaneMode {
    return this.#mode;
  }

  /** Rows that are not known to be stored, in the order of ids. */
  get rows(): readonly PendingRow[] {
    return this.#rows;
  }

  /** The sequence of the aggregate's last event. Undefined if it is not known, or one of the rows may be at or below. */
  get last(): number | undefined {
    return this.#last;
  }

  get end(): KnownEnd | undefined {
    return this.#last === undefined ? undefined : { last: this.#last, knownFrom: this.#knownFrom };
  }

  /** Attempts that failed since the last event was stored. */
  get failures(): number {
    return this.#failures;
  }

  /** Takes a row in: one with a higher id than those before. */
  add(row: PendingRow): void {
    this.#rows.push(row);
    if (this.#mode === 'looking' || this.#mode === 'sending') {
      if (row.floor < this.#provenFrom) this.#isUnproven = true;
    } else if (row.floor < this.#knownFrom) this.#last = undefined;
    if (this.#mode === 'resting') this.#enter('ready');
  }

  /** Answers the sequence above which a row may be stored already. */
  startLooking(): number {
    this.#enter('looking');
    this.#provenFrom = this.#rows.reduce(
      (lowest, { floor }) => Math.min(lowest, floor),
      Number.MAX_SAFE_INTEGER,
    );
    return this.#provenFrom;
  }

  /** Sends rows after the aggregate's last event, whose sequence it answers. */
  startSending(): number {
    if (this.#last === undefined) throw new Error('expected a known last sequence before a send, found none');
    this.#enter('sending');
    this.#provenFrom = this.#knownFrom;
    return this.#last;
  }

  /**
   * A look has found that the first `stored` rows are stored, and that the aggregate's last event has sequence `last`.
   * `isWhole`: every event that it found is one of these rows. Answers those rows.
   */
  noteLook(stored: number, last: number, isWhole: boolean): PendingRow[] {
    this.#knownFrom = isWhole ? Math.min(this.#provenFrom, last) : last;
    return this.noteStored(stored, last);
  }

  /** The first `stored` rows are stored, and the aggregate's last event has sequence `last`. Answers those rows. */
  noteStored(stored: number, last: number): PendingRow[] {
    this.#last = last;
    const done = this.#rows.splice(0, stored);
    if (done.length > 0) this.#failures = 0;
    return done;
  }

  /** The attempt ended well. */
  proceed(): void {
    if (this.#isUnproven) this.#last = undefined;
    this.#leave(this.#rows.length === 0 ? 'resting' : 'ready');
  }

  /** The attempt failed, and another look may help at once. */
  lookAgain(): void {
    this.#last = undefined;
    this.#failures++;
    this.#leave('ready');
  }

  /** The attempt failed for now. */
  wait(): void {
    this.#last = undefined;
    this.#failures++;
    this.#leave('waiting');
  }

  endWait(): void {
    if (this.#mode === 'waiting') this.#enter('ready');
  }

  /** The first row was refused for good. */
  stop(): void {
    this.#leave('stopped');
  }

  /** The stream was made again: what was known of sequences means nothing. */
  forgetSequences(): void {
    this.#last = undefined;
    this.#isUnproven = true;
    this.#rows = this.#rows.map((row) => ({ ...row, floor: 0 }));
  }

  #leave(mode: LaneMode): void {
    this.#isUnproven = false;
    this.#enter(mode);
  }

  #enter(mode: LaneMode): void {
    const allowed = MAY_ENTER_FROM[mode];
    if (!allowed.includes(this.#mode))
      throw new Error(`expected a lane to be ${allowed.join(' or ')} before ${mode}, found ${this.#mode}`);
    this.#mode = mode;
  }
}
