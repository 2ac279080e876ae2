import type { QueuedEvent, PublishQueue } from './publish-queue.js';

export interface BatchLimits {
  readonly events: number;
  readonly bytes: number;
}

/**
 * The events from the head of a line on that may be stored as one: in call order, none left out, none that was
 * sent before, expects a sequence, or was in a batch that was refused. Pure.
 */
export function batchFrom(head: QueuedEvent | undefined, limits: BatchLimits): QueuedEvent[] {
  const events: QueuedEvent[] = [];
  let bytes = 0;
  for (let entry = head; entry !== undefined && events.length < limits.events; entry = entry.next) {
    if (entry.settled) continue;
    const { event } = entry;
    if (entry.alone || entry.sends > 0 || event.expectedSequence !== undefined) break;
    bytes += event.body.length + event.headers.length;
    if (bytes > limits.bytes && events.length > 0) break;
    events.push(entry);
  }
  return events;
}

/**
 * How many events a line must hold before a batch pays, or Infinity. A batch costs the server about as much as
 * 25 events sent alone (file storage), and while other aggregates keep it busy, waiting for it costs less. Pure.
 */
export function worthwhileAt(busyLines: number): number {
  if (busyLines <= 2) return 100;
  return busyLines <= 16 ? 400 : Number.POSITIVE_INFINITY;
}

/**
 * Events of one aggregate that the server stores together or not at all. Its modes:
 *
 * - `opening`: the first event is at the server, or on its way. Nothing of it can be stored.
 * - `sent`: all of it, with the order to store it. No answer yet.
 * - `doubtful`: no answer came in time, and its first event was sent again, alone. Both may arrive: the dedup ids let
 *   only one be stored. A late answer still counts if it says stored.
 */
export class Batch {
  mode: 'opening' | 'sent' | 'doubtful' = 'opening';
  /** In call order; the first alone while it opens. */
  events: readonly QueuedEvent[];

  constructor(
    readonly id: number,
    readonly line: PublishQueue,
    readonly first: QueuedEvent,
  ) {
    this.events = [first];
  }

  /** Counts against what may be under way; not any more when its outcome is unknown: others must not wait for it. */
  get holdsPlace(): boolean {
    return this.mode !== 'doubtful' && !this.first.settled;
  }

  /** Where the event stands in the stream, if the last one stands at `last`: a batch is stored without a gap. */
  sequenceOf(index: number, last: number): number {
    return last - (this.events.length - 1 - index);
  }

  /** Takes the events that go with the first one. */
  fill(followers: readonly QueuedEvent[], now: number): void {
    const { first } = this;
    this.mode = 'sent';
    this.events = [first, ...followers];
    const last = followers.at(-1) ?? first;
    // Its answer has the time from now on.
    first.resendAt += now - first.firstSentAt;
    for (const [index, entry] of this.events.entries()) {
      entry.batch = { last, behind: this.events.length - 1 - index };
      if (entry === first) continue;
      entry.firstSentAt = now;
      entry.sends = 1;
    }
  }

  /** Nothing of it is stored and nothing is on its way: its events are as if never sent, and go one by one. */
  dissolve(): void {
    for (const entry of this.events) {
      entry.batch = undefined;
      entry.alone = true;
      entry.sends = 0;
    }
  }
}
