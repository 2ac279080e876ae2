import { isSabotaged } from '#sabotage';

/** A moment at which a question about the reader was sent. */
export interface ProofMark {
  readonly through: number;
  readonly count: number;
}

/** A stretch that an earlier reader went through without a proof. */
interface Doubt {
  readonly after: number;
  readonly through: number;
  readonly delivered: Set<number>;
  /** An edit is known; otherwise events were hardly missed. */
  readonly isEdited: boolean;
}

/** So many deliveries without a proof ask for one: the next reader reads them again, and new events wait for that. */
const LOOK_AFTER = 500;
/** Deliveries remembered without a proof, if no look is answered: about 2 MB for each partition. */
const MAX_UNPROVEN = 80_000;
/** Sequences listed as unread at once: each commit looks through them. Later ones follow as the reader proceeds. */
const MAX_UNREAD = 50_000;

/**
 * Knows how far deliveries are proven to be complete, so that an edited reader loses nothing. An operator may narrow a
 * reader's filter. It then passes over events in silence, its deliveries stay contiguous, and commits call those events
 * settled. So the reader's settings are read again and again:
 *
 * 1. A question is sent, and {@link mark} notes what has arrived so far.
 * 2. The answer says that the settings are as made. What had arrived by then was complete: {@link prove}.
 * 3. A reader is left, for an edit or for any other reason. What arrived since the last proof is in {@link doubt}. The
 *    next reader begins after the last proof, and what was delivered before is passed over. The rest was missed.
 *
 * 4. After an edit, commits list as unsettled what may have been missed and is not read again: {@link unread}. An owner
 *    that dies meanwhile leaves it to the next one.
 *
 * An edit that is undone before the next look stays unseen.
 */
export class ReadingProof {
  #proven = 0;
  #through = 0;
  /** Delivered after {@link #proven}, ascending. */
  #delivered: number[] = [];
  /** How many were forgotten from the list since {@link begin}. */
  #forgotten = 0;
  #doubt: Doubt | undefined;

  /** A tenure begins to read after this sequence. */
  begin(after: number): void {
    this.#proven = this.#through = after;
    this.#delivered = [];
    this.#forgotten = 0;
    this.#doubt = undefined;
  }

  /** Where the next reader begins. */
  get nextSequence(): number {
    return this.#proven + 1;
  }

  /** True for the delivery that asks for a look, and for each so many later. */
  get asksForLook(): boolean {
    const { length } = this.#delivered;
    return length > 0 && length % LOOK_AFTER === 0;
  }

  /** True if an earlier reader should have delivered the event, and did not. */
  hasMissed(sequence: number): boolean {
    if (this.#doubt === undefined) return false;
    const { after, through, delivered } = this.#doubt;
    return sequence > after && sequence <= through && !delivered.has(sequence);
  }

  /** True while events are read again that an edited reader may have missed. */
  isRereading(): boolean {
    return this.#doubt?.isEdited === true && this.#through < this.#doubt.through;
  }

  /** Up to a sequence: what an edited reader may have missed, other partitions' events included. Ascending. */
  unread(through: number): readonly number[] {
    if (this.#doubt === undefined || !this.isRereading()) return [];
    const { through: last, delivered } = this.#doubt;
    const sequences: number[] = [];
    const end = Math.min(last, through);
    for (let next = this.#through + 1; next <= end && sequences.length < MAX_UNREAD; next++)
      if (!delivered.has(next)) sequences.push(next);
    return sequences;
  }

  noteDelivered(sequence: number): void {
    if (sequence <= this.#through) return;
    this.#through = sequence;
    this.#delivered.push(sequence);
    this.#doubt?.delivered.add(sequence);
    if (this.#delivered.length > MAX_UNPROVEN) {
      const after = this.#delivered[MAX_UNPROVEN / 2 - 1] ?? sequence;
      this.#forget(MAX_UNPROVEN / 2, after);
    }
  }

  /** The reader has gone past this sequence. */
  noteReadThrough(sequence: number): void {
    if (sequence > this.#through) this.#through = sequence;
  }

  mark(): ProofMark {
    return { through: this.#through, count: this.#forgotten + this.#delivered.length };
  }

  /** The reader was as made after everything up to the mark had arrived. */
  prove({ through, count }: ProofMark): void {
    if (through > this.#proven) this.#forget(Math.max(0, count - this.#forgotten), through);
  }

  /** The reader is left: what it went through without a proof is read again. */
  doubt(): void {
    if (isSabotaged('unproven-taken-for-read')) this.prove(this.mark());
    const before = this.#doubt;
    const delivered = new Set(before?.delivered);
    for (const sequence of this.#delivered) delivered.add(sequence);
    this.#doubt = {
      after: before?.after ?? this.#proven,
      through: Math.max(before?.through ?? 0, this.#through),
      delivered,
      isEdited: before?.isEdited === true,
    };
    this.#forgotten += this.#delivered.length;
    this.#delivered = [];
    this.#through = this.#proven;
  }

  /** As {@link doubt}, and the reader is known to have been edited. */
  noteEdit(): void {
    this.doubt();
    if (this.#doubt !== undefined) this.#doubt = { ...this.#doubt, isEdited: true };
  }

  #forget(count: number, proven: number): void {
    this.#delivered.splice(0, count);
    this.#forgotten += count;
    this.#proven = proven;
    if (this.#doubt !== undefined && proven >= this.#doubt.through) this.#doubt = undefined;
  }
}
