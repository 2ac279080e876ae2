import type { PublishReceipt } from '../message/event.js';
import { expecting, type OutgoingEvent } from '../message/outgoing/outgoing-event.js';
import { onAbort } from '../on-abort.js';

/** The caller of one publish call. It is told one outcome, once. */
export interface PublishCaller {
  /** The event is stored. */
  resolve(receipt: PublishReceipt): void;
  /** The event is not stored, or its outcome is unknown; the error says which. */
  reject(error: Error): void;
}

/** The place of an event in a batch. */
export interface PlaceInBatch {
  readonly last: QueuedEvent;
  /** How many events of the batch follow this one. */
  readonly eventsAfter: number;
}

/** Keeps what the publisher knows about one publish call until its outcome is known. */
export class QueuedEvent {
  /** The event queued after this one. Written by {@link PublishQueue} only. */
  next: QueuedEvent | undefined = undefined;
  #sends = 0;
  /** Copies that the server may have stored, or may still store. */
  #openCopies = 0;
  #lastAnswer: string | undefined = undefined;
  #firstSentAt = 0;
  #resendAt = 0;
  #hasOutcome = false;
  #batch: PlaceInBatch | undefined = undefined;
  #alone = false;
  #outgoing: OutgoingEvent;
  #unwatch: (() => void) | undefined = undefined;

  constructor(
    readonly id: number,
    outgoing: OutgoingEvent,
    readonly queue: PublishQueue,
    readonly caller: PublishCaller,
  ) {
    this.#outgoing = outgoing;
  }

  get outgoing(): OutgoingEvent {
    return this.#outgoing;
  }

  /** How often the event was sent. Above 1, a refusal may be about an earlier copy of the same event. */
  get sends(): number {
    return this.#sends;
  }

  /** Every copy that was sent has the answer that it is not stored, and none is under way. */
  get isRefused(): boolean {
    return this.#sends > 0 && this.#openCopies === 0;
  }

  /** Why the event is not known to be stored, as the server or the client said last; undefined if neither did. */
  get lastAnswer(): string | undefined {
    return this.#lastAnswer;
  }

  get firstSentAt(): number {
    return this.#firstSentAt;
  }

  /** When the event is sent again if no answer came. */
  get resendAt(): number {
    return this.#resendAt;
  }

  /** The caller was told an outcome: a receipt or an error. */
  get hasOutcome(): boolean {
    return this.#hasOutcome;
  }

  /** The batch that the event was sent with, if that batch has no definite answer. */
  get batch(): PlaceInBatch | undefined {
    return this.#batch;
  }

  /** A batch with this event was refused, so the event is sent alone. */
  get alone(): boolean {
    return this.#alone;
  }

  /** The event queued before this one is stored; if this one follows it, it expects that one's sequence. */
  noteStoredBefore(sequence: number): void {
    if (this.#outgoing.follows !== undefined) this.#outgoing = expecting(this.#outgoing, sequence);
  }

  markSent(now: number, resendAt: number): void {
    if (this.#sends++ === 0) this.#firstSentAt = now;
    this.#openCopies++;
    this.#resendAt = resendAt;
  }

  scheduleResend(at: number): void {
    this.#resendAt = at;
  }

  /** Notes an answer that leaves the outcome open. */
  noteAnswer(text: string): void {
    this.#lastAnswer = text;
  }

  /** Notes that the server refused one copy: it is not stored. The server answers each copy at most once. */
  noteRefusedCopy(text: string): void {
    this.#lastAnswer = text;
    if (this.#openCopies > 0) this.#openCopies--;
  }

  /** Marks the event as sent in a batch. The batch's first event was sent before the batch was filled. */
  markSentInBatch(place: PlaceInBatch, now: number): void {
    this.#batch = place;
    if (this.#sends > 0) return;
    this.#firstSentAt = now;
    this.#sends = 1;
    this.#openCopies = 1;
  }

  /** The batch is not stored and nothing of it is under way, so the event counts as never sent. */
  leaveBatch(): void {
    this.#batch = undefined;
    this.#alone = true;
    this.#sends = 0;
    this.#openCopies = 0;
  }

  /** Calls `aborted` if `signal` aborts before the event has an outcome. */
  watchAbort(signal: AbortSignal, aborted: () => void): void {
    this.#unwatch = onAbort(signal, aborted);
  }

  markOutcome(): void {
    this.#hasOutcome = true;
    this.#unwatch?.();
  }
}

/**
 * Keeps the events of one aggregate in call order. Its modes:
 *
 * - `open`: the head is sent when the wire has a free place, the next event only after the head is stored.
 * - `checking`: the stream is asked whether it holds the head. Nothing else is sent meanwhile.
 *
 * In both modes the queue is unknown while its head's caller was told OUTCOME_UNKNOWN. It then accepts no event
 * until the head's outcome is known or a caller resumes the aggregate. A later event must not be stored before the
 * head. An unknown queue is never forgotten.
 */
export class PublishQueue {
  #mode: 'open' | 'checking' = 'open';
  #head: QueuedEvent | undefined = undefined;
  #tail: QueuedEvent | undefined = undefined;
  #length = 0;
  #isReady = false;

  constructor(readonly token: string) {}

  get mode(): 'open' | 'checking' {
    return this.#mode;
  }

  get head(): QueuedEvent | undefined {
    return this.#head;
  }

  get tail(): QueuedEvent | undefined {
    return this.#tail;
  }

  /** Events in the queue, aborted ones included. */
  get length(): number {
    return this.#length;
  }

  /** The queue stands among the ready queues. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Only the event whose outcome is unknown stays at the head after its caller was told: others are removed. */
  get isUnknown(): boolean {
    return this.#head?.hasOutcome === true;
  }

  markOpen(): void {
    this.#mode = 'open';
  }

  markChecking(): void {
    this.#mode = 'checking';
  }

  markReady(): void {
    this.#isReady = true;
  }

  clearReady(): void {
    this.#isReady = false;
  }

  append(event: QueuedEvent): void {
    if (this.#tail === undefined) this.#head = event;
    else this.#tail.next = event;
    this.#tail = event;
    this.#length++;
  }

  /** Removes the head, and the aborted events directly after it. */
  shift(): void {
    do {
      this.#dropHead();
    } while (this.#head?.hasOutcome === true);
    if (this.#head === undefined) this.#tail = undefined;
  }

  /** An event that is gone and old would keep all later ones in memory by its link. */
  #dropHead(): void {
    const head = this.#head;
    if (head === undefined) return;
    this.#head = head.next;
    head.next = undefined;
    this.#length--;
  }

  /** Removes all events after the head. Returns those without an outcome, in call order. */
  takeFollowers(): QueuedEvent[] {
    const followers: QueuedEvent[] = [];
    for (let event = this.#head?.next; event !== undefined; event = event.next) {
      if (!event.hasOutcome) followers.push(event);
    }
    if (this.#head !== undefined) this.#head.next = undefined;
    this.#tail = this.#head;
    this.#length = this.#head === undefined ? 0 : 1;
    return followers;
  }
}
