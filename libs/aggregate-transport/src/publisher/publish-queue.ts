import type { PublishReceipt } from '../message/event.js';
import type { OutgoingEvent } from '../message/prepare.js';

/** Who waits for an outcome. */
interface Caller {
  readonly resolve: (receipt: PublishReceipt) => void;
  readonly reject: (error: Error) => void;
}

/** One publish call that waits for its outcome. */
export class QueuedEvent {
  next: QueuedEvent | undefined;
  /** How often it was sent. Above 1 a refusal may speak of a copy of itself. */
  sends = 0;
  firstSentAt = 0;
  resendAt = 0;
  /** Its caller has its outcome. */
  settled = false;
  /** The batch it was sent with and that has no definite answer: its last event, and how many of its events follow this one. */
  batch: { readonly last: QueuedEvent; readonly behind: number } | undefined = undefined;
  /** A batch that held it was refused, so it goes alone. */
  alone = false;
  /** Lets go of the caller's signal. */
  letGo: (() => void) | undefined = undefined;

  constructor(
    readonly id: number,
    readonly event: OutgoingEvent,
    readonly line: PublishQueue,
    readonly caller: Caller,
  ) {}
}

/**
 * The queue of one aggregate at the publisher. Its modes:
 *
 * - `open`: the head is sent when the wire has room; the next one only when the head is stored.
 * - `checking`: the server refused the head after more than one send. The refusal may be about its own
 *   first copy, so the stream is asked. Nothing else leaves meanwhile.
 *
 * In either mode it is unknown while its head's caller was told that the outcome is unknown. Nothing is
 * accepted then until the head's fate is known, or a caller resumes the aggregate, because a later event
 * must not be stored in front of it. Such a line is never forgotten.
 */
export class PublishQueue {
  mode: 'open' | 'checking' = 'open';
  head: QueuedEvent | undefined;
  #tail: QueuedEvent | undefined;
  /** Events in line, those called off included. */
  length = 0;
  /** True while the ready ring holds this line. */
  isReady = false;
  /** Its head's caller was told that the outcome is unknown. */
  hasGivenUp = false;

  constructor(readonly token: string) {}

  /** A settled head that is still here is one whose outcome is unknown: what was called off is taken off. */
  get isUnknown(): boolean {
    return this.head?.settled === true;
  }

  append(entry: QueuedEvent): void {
    if (this.#tail === undefined) this.head = entry;
    else this.#tail.next = entry;
    this.#tail = entry;
    this.length++;
  }

  /** Takes the head off, and whatever behind it was called off meanwhile. */
  shift(): void {
    do {
      if (this.head !== undefined) this.length--;
      this.head = this.head?.next;
    } while (this.head?.settled === true);
    if (this.head === undefined) this.#tail = undefined;
  }

  /** Takes everything behind the head off. */
  takeFollowers(): QueuedEvent[] {
    const followers: QueuedEvent[] = [];
    for (let entry = this.head?.next; entry !== undefined; entry = entry.next) {
      if (!entry.settled) followers.push(entry);
    }
    if (this.head !== undefined) this.head.next = undefined;
    this.#tail = this.head;
    this.length = this.head === undefined ? 0 : 1;
    return followers;
  }
}
