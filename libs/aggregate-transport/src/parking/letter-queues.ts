import type { Letter } from '../records/letter.js';
import { type HistoryPort, HistoryQueue } from './history-queue.js';
import { editsAfter } from '../records/marker.js';
import { LetterQueue, type LetterQueueOptions } from './letter-queue.js';
import { LetterRoom } from './letter-room.js';
import type { MarkerWrites } from './marker-writes.js';
import { NoteTurns } from './note-turns.js';
import type { Parked } from './parked-aggregate.js';

/** The letters of a partition's parked aggregates, and histories that are replayed: a queue for each one. */
export class LetterQueues {
  readonly #queues = new WeakMap<Parked, LetterQueue>();
  readonly #histories = new WeakMap<Parked, HistoryQueue>();
  readonly #room = new LetterRoom();
  readonly #turns = new NoteTurns();

  constructor(
    private readonly options: Pick<LetterQueueOptions, 'name' | 'port' | 'log' | 'clock'> & {
      readonly history: HistoryPort;
    },
    private readonly writes: MarkerWrites,
    /** The parked aggregates of this tenure. */
    private readonly parked: ReadonlyMap<string, Parked>,
  ) {}

  of(parked: Parked): LetterQueue {
    let letters = this.#queues.get(parked);
    if (letters === undefined) {
      letters = new LetterQueue(parked, {
        ...this.options,
        room: this.#room,
        turns: this.#turns,
        check: () => this.writes.check(parked),
        note: (replayed) =>
          this.writes.update(parked, { replayed, edits: editsAfter(parked.marker.edits, replayed) }),
      });
      this.#queues.set(parked, letters);
    }
    return letters;
  }

  /** What is left of the history that the marker says is replayed; undefined if it says none. */
  historyOf(parked: Parked): HistoryQueue | undefined {
    const { replay } = parked.marker;
    if (replay === undefined) return undefined;
    const known = this.#histories.get(parked);
    if (known?.id === replay.id) return known;
    known?.close();
    const history = new HistoryQueue(parked, replay, {
      port: this.options.history,
      clock: this.options.clock,
      turns: this.#turns,
      check: () => this.writes.check(parked),
      // An owner that died meanwhile has not died of what was handled since.
      note: (left) => this.writes.update(parked, { replay: left, crashes: 0 }),
    });
    this.#histories.set(parked, history);
    return history;
  }

  /**
   * True if the topic's stream still holds this event of the aggregate.
   * @throws JETSTREAM_REQUEST_FAILED
   */
  async isInStream(token: string, sequence: number): Promise<boolean> {
    return (await this.options.history.next(token, sequence))?.sequence === sequence;
  }

  /** The first event to replay that is not worked through, of the history or a letter; undefined if none is left. */
  async head(parked: Parked): Promise<Letter | undefined> {
    const history = this.historyOf(parked);
    const event = await history?.first();
    if (event !== undefined) return event;
    // A letter that is noted as handled tells the next owner that the history is.
    await history?.removed();
    return this.of(parked).first();
  }

  /** The first one is handled, or dropped by command. It is noted and removed soon; see `LetterQueue`. */
  done(parked: Parked, letter: Pick<Letter, 'position' | 'isReplay'>): void {
    if (letter.isReplay === undefined) this.of(parked).done(letter);
    else this.historyOf(parked)?.done({ sequence: -letter.position });
  }

  /**
   * Resolves when each one that is handled or dropped is noted and removed. Safe to call again after it rejected.
   * @throws JETSTREAM_REQUEST_FAILED, LEASE_LOST
   */
  async removed(parked: Parked): Promise<void> {
    await this.historyOf(parked)?.removed();
    await this.of(parked).removed();
  }

  /** True while letters of any aggregate are being noted or removed, or are about to be. */
  get areWorking(): boolean {
    return this.#known().some(({ isWorking }) => isWorking);
  }

  /** Resolves when no letter is being noted or removed any more, answered or not. */
  async whenNoneIsWorking(): Promise<void> {
    const working = this.#known().filter(({ isWorking }) => isWorking);
    await Promise.allSettled(working.map((letters) => letters.removed()));
  }

  /** The tenure is over. */
  close(): void {
    for (const letters of this.#known()) letters.close();
  }

  #known(): (LetterQueue | HistoryQueue)[] {
    const found: (LetterQueue | HistoryQueue)[] = [];
    for (const parked of this.parked.values()) {
      const letters = this.#queues.get(parked);
      if (letters !== undefined) found.push(letters);
      const history = this.#histories.get(parked);
      if (history !== undefined) found.push(history);
    }
    return found;
  }
}
