import type { StreamProgress } from 'nestjs-aggregate-transport';

/**
 * Knows how far the stream has come, as far as this relay has heard. A row that was never sent before it was read is
 * stored above that, if at all.
 */
export class StreamHeight {
  #created: string;
  #highest: number;

  constructor({ created, lastSequence }: StreamProgress) {
    this.#created = created;
    this.#highest = lastSequence;
  }

  /** Tells the stream from another one of the same name. */
  get created(): string {
    return this.#created;
  }

  get highest(): number {
    return this.#highest;
  }

  /** The stream has stored an event there. */
  note(sequence: number): void {
    this.#highest = Math.max(this.#highest, sequence);
  }

  /**
   * Takes over what the stream's leader says, asked when `known` was the highest. False if it is not the stream that
   * was known, or one that went back.
   */
  renew({ created, lastSequence }: StreamProgress, known: number): boolean {
    const isSame = created === this.#created && lastSequence >= known;
    this.#created = created;
    this.#highest = isSame ? Math.max(this.#highest, lastSequence) : lastSequence;
    return isSame;
  }
}
