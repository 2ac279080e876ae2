import type { Log } from '../../log.js';

/** Counts what the stream dropped before this group was given it, and reports it. */
export class DroppedEvents {
  #lost = 0;
  #through = 0;

  constructor(
    /** For log texts: topic, group and partition. */
    private readonly name: string,
    private readonly log: Log,
  ) {}

  /**
   * Sequences of the topic's stream that it dropped (retention limits, a purge) before they were read. With several
   * partitions an upper bound: some may have been other partitions' events.
   */
  get lost(): number {
    return this.#lost;
  }

  /** The stream was made again: its sequences mean other events. */
  forget(): void {
    this.#through = 0;
  }

  /** Everything up to `readThrough` was read, and the stream continues at `next`. */
  noteGap(readThrough: number, next: number): void {
    const from = Math.max(readThrough, this.#through);
    if (from + 1 >= next) return;
    this.#lost += next - 1 - from;
    this.#through = next - 1;
    this.log.error(
      `${this.name}: the stream has dropped events up to sequence ${next - 1}; those after ${from} were never handled ` +
        'here (retention limits, a purge, or a deleted message)',
    );
  }

  /** One unsettled event is gone. */
  noteGone(sequence: number): void {
    this.#lost++;
    this.log.error(`${this.name}: the stream has dropped event ${sequence} before it was handled`);
  }
}
