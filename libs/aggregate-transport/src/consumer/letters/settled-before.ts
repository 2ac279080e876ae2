import { isSabotaged } from '#sabotage';
import type { Parked } from '../../parking/parked-aggregate.js';
import type { LetterNote } from '../../records/letter.js';
import type { ConfirmedPlace } from '../handling/lane-listener.js';

/** Names an event: the sequences of a stream that was made again mean others. */
export type EventId = Pick<LetterNote, 'stream' | 'sequence'>;

/** The lanes in which events become letters. */
export interface FilingLanes {
  /** True while events of the aggregate, up to this sequence, are on their way to become letters. */
  isFiling(token: string, through?: number): boolean;
}

/**
 * Says when a letter may be handled or removed: when every event of its aggregate up to it is settled in the confirmed
 * position. Without that wait:
 *
 * 1. An owner handles event 1, parks the aggregate at 3 and dies before any commit says so.
 * 2. Its successor replays letter 3 at once. The marker falls.
 * 3. The reader brings 1 again: it starts after 3.
 */
export class SettledBefore {
  /** Up to which sequence an aggregate waits for a confirmation, and for which. */
  readonly #waiting = new Map<string, { readonly through: number; readonly ticket: number }>();

  constructor(
    private readonly place: ConfirmedPlace,
    private readonly filing: FilingLanes,
  ) {}

  /**
   * True if every event of the aggregate up to this letter is settled in the confirmed position. Its live head has left
   * the lane before this runs. So only the lane of letters, and events that are still to be read, can hold one.
   */
  isConfirmed({ token, lastSequence }: Parked, { stream, sequence }: EventId): boolean {
    const { place } = this;
    // Sequences of another stream say nothing of this one's events.
    if (stream !== place.created || isSabotaged('letters-not-waited-for')) return true;
    if (!this.#isSettledThrough(token, sequence)) return false;
    let waiting = this.#waiting.get(token);
    if (waiting === undefined || waiting.through < sequence) {
      // One confirmation for all letters there are: a commit for each would be slower than what comes after them.
      const isAll = lastSequence > sequence && this.#isSettledThrough(token, lastSequence);
      waiting = { through: isAll ? lastSequence : sequence, ticket: place.ticket() };
      this.#waiting.set(token, waiting);
    }
    return place.isConfirmed(waiting.ticket);
  }

  delete(token: string): void {
    this.#waiting.delete(token);
  }

  forget(): void {
    this.#waiting.clear();
  }

  /** True if no event of the aggregate, up to this sequence, is still to be read or on its way to become a letter. */
  #isSettledThrough(token: string, sequence: number): boolean {
    const { place, filing } = this;
    if (filing.isFiling(token, sequence)) return false;
    return isSabotaged('letter-waits-for-itself-only') ? !place.isListed(sequence) : place.hasRead(sequence);
  }
}
