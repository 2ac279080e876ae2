import { editsAfter } from '../records/marker.js';
import { LetterQueue, type LetterQueueOptions } from './letter-queue.js';
import { LetterRoom } from './letter-room.js';
import type { MarkerWrites } from './marker-writes.js';
import { NoteTurns } from './note-turns.js';
import type { Parked } from './parked-aggregate.js';

/** The letters of a partition's parked aggregates: a queue for each one that is replayed, or was. */
export class LetterQueues {
  readonly #queues = new WeakMap<Parked, LetterQueue>();
  readonly #room = new LetterRoom();
  readonly #turns = new NoteTurns();

  constructor(
    private readonly options: Pick<LetterQueueOptions, 'name' | 'port' | 'log' | 'clock'>,
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

  #known(): LetterQueue[] {
    const found: LetterQueue[] = [];
    for (const parked of this.parked.values()) {
      const letters = this.#queues.get(parked);
      if (letters !== undefined) found.push(letters);
    }
    return found;
  }
}
