import { sizeOf } from '../message/outgoing/outgoing-event.js';
import type { PublishQueue, QueuedEvent } from './publish-queue.js';

export interface BatchLimits {
  readonly events: number;
  readonly bytes: number;
  /** The largest event that the server takes now, in bytes. */
  readonly eventBytes: number;
}

/**
 * The events from `head` on that may be stored as one batch, in call order. None if `head` has to be sent alone: it was
 * sent, it was in a refused batch, or it is too large. Pure.
 */
export function batchFrom(head: QueuedEvent | undefined, limits: BatchLimits): QueuedEvent[] {
  if (head === undefined || !isFree(head, limits) || head.outgoing.follows !== undefined) return [];
  return [head, ...followersOf(head, limits)];
}

/**
 * The events that may be stored in one batch with `first`, directly after it. Ends before an event that was sent, that
 * says itself what it expects, that was in a refused batch, or that is too large. Pure.
 *
 * The first event may expect a sequence: the server compares it when it stores the batch, and refuses all of it
 * otherwise. It compares nothing within a batch. An event that is to follow another one may only stand directly after
 * that one, and then nothing can come between.
 */
export function followersOf(first: QueuedEvent, limits: BatchLimits): QueuedEvent[] {
  const events: QueuedEvent[] = [];
  let bytes = sizeOf(first.outgoing);
  let before = first;
  for (let event = first.next; event !== undefined && events.length < limits.events - 1;) {
    const isNext = before === (events.at(-1) ?? first);
    const { outgoing } = event;
    if (!event.hasOutcome) {
      if (!isFree(event, limits) || outgoing.expectedSequence !== undefined) break;
      if (outgoing.follows !== undefined && !isNext) break;
      bytes += sizeOf(outgoing);
      if (bytes > limits.bytes) break;
      events.push(event);
    }
    before = event;
    event = event.next;
  }
  return events;
}

function isFree({ alone, sends, outgoing }: QueuedEvent, { eventBytes }: BatchLimits): boolean {
  return !alone && sends === 0 && sizeOf(outgoing) <= eventBytes;
}

/**
 * How many events a queue must hold before a batch pays; Infinity if none does. A batch costs the server about as much
 * as 25 events sent alone (file storage). While other aggregates keep the server busy, waiting costs less. Pure.
 */
export function worthwhileAt(busyQueues: number): number {
  if (busyQueues <= 2) return 100;
  return busyQueues <= 16 ? 400 : Number.POSITIVE_INFINITY;
}

/**
 * Events of one aggregate that the server stores together or not at all. Its modes:
 *
 * - `opening`: the first event was sent. Nothing of the batch can be stored.
 * - `sent`: all events were sent, with the order to store them. There is no answer yet.
 * - `doubtful`: no answer came in time, and the first event was sent again, alone. Both may arrive: the dedup ids let
 *   only one be stored. A late answer still counts if it says stored.
 */
export class Batch {
  #mode: 'opening' | 'sent' | 'doubtful' = 'opening';
  #events: readonly QueuedEvent[];

  constructor(
    readonly id: number,
    readonly queue: PublishQueue,
    readonly first: QueuedEvent,
  ) {
    this.#events = [first];
  }

  get mode(): 'opening' | 'sent' | 'doubtful' {
    return this.#mode;
  }

  /** The events in call order; the first event alone while the batch opens. */
  get events(): readonly QueuedEvent[] {
    return this.#events;
  }

  /** The batch counts against what may be under way. A batch with an unknown outcome does not: others need not wait. */
  get holdsPlace(): boolean {
    return this.#mode !== 'doubtful' && !this.first.hasOutcome;
  }

  /** The sequence of an event if the last one has sequence `last`: a batch is stored without a gap. */
  sequenceOf(index: number, last: number): number {
    return last - (this.#events.length - 1 - index);
  }

  /** Adds the events that are sent after the first one. */
  fill(followers: readonly QueuedEvent[], now: number): void {
    const { first } = this;
    this.#mode = 'sent';
    this.#events = [first, ...followers];
    const last = followers.at(-1) ?? first;
    // The time for an answer starts now.
    first.scheduleResend(first.resendAt + now - first.firstSentAt);
    for (const [index, event] of this.#events.entries()) {
      event.markSentInBatch({ last, eventsAfter: this.#events.length - 1 - index }, now);
    }
  }

  /** The first event was sent again, alone, after the whole batch was. */
  markDoubtful(): void {
    this.#mode = 'doubtful';
  }

  /** The batch in doubt is not stored after all. A copy of its first event may be, by itself. */
  noteRefused(answer: string): void {
    for (const event of this.#events) event.noteRefusedCopy(answer);
  }

  /** The batch is not stored and nothing of it is under way: its events count as never sent, and are sent alone. */
  dissolve(): void {
    for (const event of this.#events) event.leaveBatch();
  }
}
