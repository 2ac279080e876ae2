import { isSabotaged } from '#sabotage';
import type { Delivery, Link } from '../../message/delivery.js';
import type { PositionRecord, StartEntry } from '../../records/position-record.js';

/** Writes the starts down. */
export interface StartsWriter {
  /** Resolves with true when a record taken after this call is confirmed, with false if the tenure ends first. */
  commitNow(): Promise<boolean>;
}

/** Knows which processes survived the loss of a lease. */
export interface Survivors {
  /** True if this process has lost the partition's lease of that epoch and lives. */
  hasSurvived(owner: string, partition: number, epoch: number): boolean;
}

export interface SuspectsOptions {
  readonly writer: StartsWriter;
  readonly survivors: Survivors;
  readonly partition: number;
  /** Starts that may be written down and not ended. */
  readonly maxOpen: number;
  /** Events this owner takes in at most. */
  readonly bound: number;
}

/** What a claim found. */
export interface Inheritance {
  readonly record: Pick<PositionRecord, 'epoch' | 'deaths' | 'window' | 'starts'>;
  /** The unsettled sequences of the claimed record, ascending. */
  readonly unsettled: readonly number[];
  /** The last sequence of the stream at the claim: no owner before can have started a later one. */
  readonly lastSequence: number;
  readonly before: Pick<PositionRecord, 'owner' | 'epoch'> | undefined;
}

/** From this many deaths in a row on, starts are written down first. One death costs nothing. */
const DEATHS_BEFORE_SUSPICION = 2;
/** An event is never given up for less, however few attempts its handler may have. */
const LEAST_STARTS = 2;

/**
 * Finds the event that kills every process that handles it. The server cannot: it does not know which process handles
 * what it delivers.
 *
 * 1. An owner dies. All that it had started is among the first `window` unsettled events of the record it left.
 * 2. The next one dies, too. From now on these events are suspects: a start is written down, confirmed, before the
 *    handler runs, and struck out when the attempt ends. What ends has not killed the process.
 * 3. The next owner finds entries. An event that has one runs alone, so the next death has one culprit.
 * 4. An event that died alone and was started as often as its handler may try is given up.
 */
export class Suspects {
  #epoch = 0;
  #deaths = 0;
  #window = 0;
  /** The highest inherited sequence known so far, and how many more may follow above the claimed record. */
  #through = 0;
  #left = 0;
  #lastSequence = 0;
  /** Inherited events that have neither ended an attempt nor been settled. By sequence: what ends twice counts once. */
  #open = new Set<number>();
  #inherited = new Map<number, StartEntry>();
  /** Inherited entries whose events are still to be read, ascending. The stream may have dropped some of them. */
  #awaited: number[] = [];
  readonly #own = new Map<number, StartEntry>();
  #before: Pick<PositionRecord, 'owner' | 'epoch'> | undefined;

  constructor(private readonly options: SuspectsOptions) {}

  /** Begins a tenure. */
  begin({ record, unsettled, lastSequence, before }: Inheritance): void {
    this.#epoch = record.epoch;
    this.#deaths = record.deaths;
    this.#window = record.window;
    this.#inherited = new Map(
      Object.entries(record.starts).map(([sequence, entry]) => [Number(sequence), entry]),
    );
    const listedHere = new Set(unsettled);
    this.#awaited = [...this.#inherited.keys()].filter((one) => !listedHere.has(one)).sort((a, b) => a - b);
    this.#own.clear();
    this.#before = before;
    // What is known later is struck when it counts.
    for (const sequence of this.#inherited.keys()) this.#strikeSurvived(sequence);
    const window = isSabotaged('window-shrinks') ? this.options.bound : record.window;
    const listed = unsettled.slice(0, window);
    this.#open = new Set(listed);
    this.#through = listed.at(-1) ?? 0;
    this.#left = window - listed.length;
    this.#lastSequence = lastSequence;
    // A predecessor that ended well leaves nothing to look for.
    const isPlain = record.deaths === 0 && record.window <= this.options.bound && this.#inherited.size === 0;
    if (!isPlain) return;
    this.#open.clear();
    this.#left = 0;
  }

  /** How many events may be taken in and not settled: an owner must be able to reach all that the last one had. */
  get bound(): number {
    const { bound } = this.options;
    return this.#isInheriting ? Math.max(bound, this.#window) : bound;
  }

  snapshot(): Pick<PositionRecord, 'deaths' | 'window' | 'starts'> {
    if (!this.#isInheriting) {
      this.#deaths = 0;
      this.#window = this.options.bound;
    }
    const starts = Object.fromEntries([...this.#inherited, ...this.#own]);
    return { deaths: this.#deaths, window: this.#window, starts };
  }

  /** An event was taken in. */
  noteTakenIn(sequence: number): void {
    if (this.#awaited.length > 0) this.#dropMissed(sequence);
    if (this.#awaited[0] === sequence) this.#awaited.shift();
    if (this.#left === 0) return;
    if (sequence > this.#lastSequence) {
      this.#left = 0;
      return;
    }
    if (sequence <= this.#through) return;
    this.#left--;
    this.#through = sequence;
    this.#open.add(sequence);
  }

  /** The reader has gone past all that existed at the claim. */
  noteReadThrough(sequence: number): void {
    if (this.#awaited.length > 0) this.#dropMissed(sequence + 1);
    if (sequence >= this.#lastSequence) this.#left = 0;
  }

  /** True if the start of this event must be written down first. */
  isSuspect(sequence: number): boolean {
    if (isSabotaged('no-suspects')) return false;
    if (this.#inherited.has(sequence)) return true;
    return this.#deaths >= DEATHS_BEFORE_SUSPICION && this.#open.has(sequence);
  }

  /** True if an earlier owner started this event and did not end it: it must run alone. */
  mustRunAlone(sequence: number): boolean {
    return this.#inherited.has(sequence);
  }

  startsOf(sequence: number): number {
    return this.#inherited.get(sequence)?.[0] ?? 0;
  }

  /** True if the event has killed as many processes as it may. `attempts` is what its handler may try. */
  isExhausted(sequence: number, attempts: number): boolean {
    this.#strikeSurvived(sequence);
    const [starts, alone] = this.#inherited.get(sequence) ?? [0, 0];
    return alone > 0 && starts >= Math.max(LEAST_STARTS, attempts);
  }

  /**
   * Writes down that the event starts; if it starts in company, together with what stands after it in its lane.
   * Resolves with false if the tenure has ended: then it must not start.
   */
  noteStart(event: Delivery, how: { readonly alone: boolean }): Promise<boolean> {
    if (!how.alone && this.#own.has(event.sequence)) return Promise.resolve(true);
    this.#note(event.sequence, how.alone);
    if (!how.alone) this.#noteFollowers(event);
    return this.options.writer.commitNow();
  }

  /** The event does not run alone any more, although it has not ended. */
  noteCompany(sequence: number): Promise<boolean> {
    // It may have ended at the same moment; then there is no entry to change.
    if (!this.#own.has(sequence)) return Promise.resolve(true);
    this.#note(sequence, false);
    return this.options.writer.commitNow();
  }

  /** An attempt at the event has ended in this process, or it was settled or lost: it is no suspect any more. */
  clear(sequence: number): void {
    const wasInherited = this.#inherited.delete(sequence);
    const wasNoted = this.#own.delete(sequence) || wasInherited;
    const isOver = this.#open.delete(sequence) && !this.#isInheriting && this.#deaths > 0;
    if (wasNoted || isOver) void this.options.writer.commitNow();
  }

  /** Inherited events are open, or may still come. */
  get #isInheriting(): boolean {
    return this.#open.size > 0 || this.#left > 0;
  }

  #note(sequence: number, alone: boolean): void {
    const [starts, aloneBefore] = this.#inherited.get(sequence) ?? [0, 0];
    this.#own.set(sequence, [starts + 1, aloneBefore + (alone ? 1 : 0), this.#epoch]);
  }

  /** The reader has gone past all before this sequence. Entries of events that it has not met fall. */
  #dropMissed(before: number): void {
    for (let next = this.#awaited[0]; next !== undefined && next < before; next = this.#awaited[0]) {
      this.#awaited.shift();
      this.#inherited.delete(next);
    }
  }

  /** One write for many: they start right after each other. */
  #noteFollowers(event: Delivery): void {
    let next: Link | undefined = event.next;
    for (let open = this.#own.size; open < this.options.maxOpen && next !== undefined; next = next.next) {
      const { sequence } = next as Partial<Delivery>;
      if (sequence === undefined || !this.isSuspect(sequence) || this.mustRunAlone(sequence)) break;
      if (this.#own.has(sequence)) continue;
      this.#note(sequence, false);
      open++;
    }
  }

  /** The owner before has lost its lease and lives: what it had started has not killed it. */
  #strikeSurvived(sequence: number): void {
    const entry = this.#inherited.get(sequence);
    if (entry === undefined || this.#before === undefined) return;
    const [starts, alone, epoch] = entry;
    const { survivors, partition } = this.options;
    if (epoch !== this.#before.epoch || !survivors.hasSurvived(this.#before.owner, partition, epoch)) return;
    this.#inherited.set(sequence, [starts - 1, starts > 1 ? Math.max(0, alone - 1) : 0, 0]);
  }
}
