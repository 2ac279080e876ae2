/** A handled event that is to be acked. */
export interface Settleable {
  readonly token: string;
  readonly sequence: number;
  /** Where its ack goes. */
  readonly ackSubject: string;
}

/**
 * What is kept of a handled event until its ack is confirmed. Not the event itself: its body and what was decoded from it
 * would live for a round trip, long enough for the collector to copy all of it.
 */
export class Ack implements Settleable {
  readonly token: string;
  readonly sequence: number;
  readonly ackSubject: string;
  /** It is on its way, or about to be. */
  hasLeft = false;
  /** The ack of the event of the same aggregate that was handled after this one. */
  next: Ack | undefined = undefined;

  constructor({ token, sequence, ackSubject }: Settleable) {
    this.token = token;
    this.sequence = sequence;
    this.ackSubject = ackSubject;
  }
}

/** One aggregate's handled events whose acks are not confirmed, in the order they were handled; never empty. */
export class AckChain {
  head: Ack;
  length = 1;
  #tail: Ack;

  constructor(first: Ack) {
    this.head = first;
    this.#tail = first;
  }

  append(ack: Ack): void {
    this.#tail.next = ack;
    this.#tail = ack;
    this.length++;
  }

  /** Puts an ack where its sequence belongs, because the event was handled before those that are here. */
  insert(ack: Ack): void {
    let before: Ack | undefined;
    let behind: Ack | undefined = this.head;
    while (behind !== undefined && behind.sequence < ack.sequence) {
      before = behind;
      behind = behind.next;
    }
    ack.next = behind;
    if (before === undefined) this.head = ack;
    else before.next = ack;
    if (behind === undefined) this.#tail = ack;
    this.length++;
  }

  /** Takes the head off. False if it was the last; the chain is worth nothing then. */
  shorten(): boolean {
    const { next } = this.head;
    if (next === undefined) return false;
    this.head.next = undefined;
    this.head = next;
    this.length--;
    return true;
  }

  has(sequence: number): boolean {
    for (const ack of this) if (ack.sequence === sequence) return true;
    return false;
  }

  /** True if it has an event up to this sequence. They rise in it but for the head of a diverted lane, which may come late. */
  hasUpTo(sequence: number): boolean {
    for (const ack of this) if (ack.sequence <= sequence) return true;
    return false;
  }

  *[Symbol.iterator](): Iterator<Ack> {
    for (let ack: Ack | undefined = this.head; ack !== undefined; ack = ack.next) yield ack;
  }
}
