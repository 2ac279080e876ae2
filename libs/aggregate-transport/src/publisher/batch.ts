import { sizeOf } from '../message/outgoing/outgoing-event.js';
import type { PublishQueue, QueuedEvent } from './publish-queue.js';

export interface BatchLimits {
  readonly events: number;
  readonly bytes: number;
  /** The largest event that the server takes now, in bytes. */
  readonly eventBytes: number;
}

/**
 * The events from `head` on that may be stored as one batch, in call order and without a gap. Ends before an event that
 * was sent, that expects a sequence or a predecessor, that was in a refused batch, or that is too large. Pure.
 */
export function batchFrom(head: QueuedEvent | undefined, limits: BatchLimits): QueuedEvent[] {
  const events: QueuedEvent[] = [];
  let bytes = 0;
  for (let event = head; event !== undefined && events.length < limits.events; event = event.next) {
    if (event.hasOutcome) continue;
    const { outgoing } = event;
    if (event.alone || event.sends > 0) break;
    if (outgoing.expectedSequence !== undefined || outgoing.follows !== undefined) break;
    const size = sizeOf(outgoing);
    if (size > limits.eventBytes) break;
    bytes += size;
    if (bytes > limits.bytes && events.length > 0) break;
    events.push(event);
  }
  return events;
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
