import type { LogAt } from '../../log.js';

/** What an observer has found that the stream no longer holds. */
export interface StreamLoss {
  /** Where the stream begins. */
  readonly firstSequence: number;
  /** Sequences missing between its first and its last, ascending. */
  readonly holes: readonly number[];
  /** As many more were removed since the last look as could not be listed. */
  readonly unlisted: number;
  /** The partition had events to come, now or at the last look: what is missing may have been among them. */
  readonly wasBehind: boolean;
}

/** How many events between two sequences, both excluded, an operator has purged on purpose. */
export type PurgedCount = (after: number, before: number) => number | Promise<number>;

/**
 * Counts what the stream dropped before this group was given it, and reports it. Losses at the stream's beginning are
 * gaps. Losses in its middle are holes:
 *
 * 1. With one partition every sequence is the partition's own, so a jump between two deliveries is a loss. That
 *    count is exact.
 * 2. With several, sequences jump normally. The stream's list of holes tells what is missing. A hole after the last
 *    event read is a loss of one of the partitions. A hole that was passed since the last look may be one, if the
 *    partition was behind.
 * 3. A hole is counted once: those counted ahead of the reader are left out of the gap that the reader finds.
 *
 * Events that an operator has purged with `aggregate purge` are not lost. They are asked for when a gap is found, so
 * that it is told a moment later. The list of holes comes without them.
 */
export class DroppedEvents {
  #lost = 0;
  #through = 0;
  /** Holes up to here are accounted for. */
  #checked = 0;
  #isFirstCheck = true;
  /** Holes counted before the reader has gone past them. */
  #ahead = new Set<number>();

  constructor(
    /** For log texts: topic, group and partition. */
    private readonly name: string,
    private readonly log: LogAt<'partition'>,
    /** With one partition of the group, every sequence of the stream is read. */
    private readonly readsAll: boolean,
    private readonly countPurged: PurgedCount = () => 0,
  ) {}

  /**
   * Sequences of the topic's stream that it dropped (retention limits, a purge, deletions) before they were read. With
   * several partitions an upper bound: some may have been other partitions' events.
   */
  get lost(): number {
    return this.#lost;
  }

  /** A tenure begins: the fate of every event up to `knownThrough` is known. */
  begin(knownThrough: number): void {
    this.#checked = Math.max(this.#checked, knownThrough);
    this.#isFirstCheck = true;
  }

  /** The stream was made again: its sequences mean other events. */
  forget(): void {
    this.#through = this.#checked = 0;
    this.#ahead.clear();
  }

  /** Everything up to `readThrough` was read, and the stream continues at `next`. */
  noteGap(readThrough: number, next: number): void {
    const from = Math.max(readThrough, this.#through);
    if (from + 1 >= next) return;
    const lost = next - 1 - from - this.#countedIn(from, next);
    this.#through = next - 1;
    const text =
      `the stream has dropped events up to sequence ${next - 1}; those after ${from} were never handled ` +
      'here (retention limits, a purge, or a deleted message)';
    this.#tell({ lost, after: from, before: next }, text);
  }

  /** One unsettled event is gone. */
  noteGone(sequence: number): void {
    const gone = { lost: 1, after: sequence - 1, before: sequence + 1 };
    this.#tell(gone, `the stream has dropped event ${sequence} before it was handled`);
  }

  /** An observer has looked at the stream, and everything up to `knownThrough` was read or is settled. */
  noteLoss({ firstSequence, holes, unlisted, wasBehind }: StreamLoss, knownThrough: number): void {
    if (wasBehind) this.noteGap(knownThrough, firstSequence);
    // The reader itself has found those that it has gone past, if it reads all.
    const mayBePassed = !this.readsAll && (wasBehind || this.#isFirstCheck);
    const after = Math.max(mayBePassed ? this.#checked : knownThrough, this.#through);
    const found = holes.slice(firstAbove(holes, after)).filter((sequence) => !this.#ahead.has(sequence));
    this.#ahead = new Set([...this.#ahead, ...found].filter((sequence) => sequence > knownThrough));
    this.#checked = Math.max(this.#checked, knownThrough);
    this.#isFirstCheck = false;
    const lost = found.length + (wasBehind ? unlisted : 0);
    if (lost === 0) return;
    this.#lost += lost;
    const [from] = found;
    const through = found.at(-1);
    const isKnown = from !== undefined && through !== undefined;
    const where = isKnown ? ` between sequences ${from} and ${through}` : '';
    this.log.write(
      'events-dropped',
      { count: lost, ...(isKnown ? { from, through } : {}) },
      `${this.name}: the stream has dropped events${where} before they were read: ${this.readsAll ? '' : 'up to '}${lost} ` +
        'of this partition (a deleted message, a purge, or a limit)',
    );
  }

  /** Counts and reports what is missing and was not purged on purpose. */
  #tell({ lost, after, before }: { lost: number; after: number; before: number }, text: string): void {
    if (lost === 0) return;
    const purged = this.countPurged(after, before);
    const tell = (known: number): void => {
      if (known >= lost) return;
      this.#lost += lost - known;
      const fields = { count: lost - known, from: after + 1, through: before - 1 };
      this.log.write('events-dropped', fields, `${this.name}: ${text}`);
    };
    if (typeof purged === 'number') tell(purged);
    // Not known is not purged: a loss that is told without cause is better than one that is not told.
    else purged.then(tell, () => tell(0));
  }

  #countedIn(from: number, next: number): number {
    let counted = 0;
    for (const sequence of this.#ahead) if (sequence > from && sequence < next) counted++;
    return counted;
  }
}

/** The place of the first number above `bound` in an ascending list. */
function firstAbove(ascending: readonly number[], bound: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ascending[middle] ?? 0) > bound) high = middle;
    else low = middle + 1;
  }
  return low;
}
