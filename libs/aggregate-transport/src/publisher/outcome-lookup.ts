import { describeError } from '../errors.js';
import type { Log } from '../log.js';
import type { PublishPort } from './publish-port.js';
import type { QueuedEvent } from './publish-queue.js';

/** What became of an event, as the stream itself tells. */
type Fate =
  | { readonly kind: 'stored'; readonly sequence: number }
  /** Not stored; this is the aggregate's last sequence instead of the expected one. */
  | { readonly kind: 'conflict'; readonly actual: number }
  | { readonly kind: 'not stored' }
  /** Nothing is stored behind the expected sequence, so the refusal spoke of an event that is still under way. */
  | { readonly kind: 'open' };

/**
 * Asks the stream what became of an event whose answer is missing or cannot be believed: servers answer a copy
 * of a stored event differently (2.12.15, 2.14.5 and 2.15.1 say "wrong last sequence" of its own first copy).
 * A wrong sequence is looked up even if this call sent the event once: an earlier call, perhaps of a process that
 * was killed, may have stored it. It may also speak of an event that is not stored yet, ours or another's (replicas,
 * 2.15.1), which a step-down then drops. Any other refusal of an event that was sent once is believed.
 *
 * @throws JETSTREAM_REQUEST_FAILED if the server does not answer
 */
async function fateOf(
  port: PublishPort,
  entry: QueuedEvent,
  refused?: { wrongSequence: boolean },
): Promise<Fate> {
  const { subject, messageId, expectedSequence } = entry.event;
  if (entry.batch !== undefined) {
    // A batch is stored as one: if its last event is the aggregate's last, this one stands where it stood in the batch.
    const { last, behind } = entry.batch;
    const sequence = await port.findStored(subject, last.event.messageId);
    if (sequence !== undefined) return { kind: 'stored', sequence: sequence - behind };
  }
  if (refused?.wrongSequence === true) {
    // In this order: once anything is stored behind the expected sequence, what comes first there never changes.
    const actual = await port.lastSequence(subject);
    if (actual === expectedSequence) return { kind: 'open' };
    const sequence = await port.findStored(subject, messageId, expectedSequence);
    return sequence === undefined ? { kind: 'conflict', actual } : { kind: 'stored', sequence };
  }
  if (refused === undefined || entry.sends > 1) {
    const sequence = await port.findStored(subject, messageId, expectedSequence);
    if (sequence !== undefined) return { kind: 'stored', sequence };
  }
  return { kind: 'not stored' };
}

/** Asks the stream what became of events. */
export class OutcomeLookup {
  constructor(
    private readonly topic: string,
    private readonly port: PublishPort,
    private readonly log: Log,
  ) {}

  /** What became of the head; undefined if that stays open, or the head is no longer the head. Meanwhile the line is `checking`. */
  async ask(entry: QueuedEvent, refused?: { wrongSequence: boolean }): Promise<Fate | undefined> {
    const { line } = entry;
    line.mode = 'checking';
    try {
      const fate = await fateOf(this.port, entry, refused);
      return line.head === entry ? fate : undefined;
    } catch (error) {
      this.log.warn(
        `topic "${this.topic}": an event's outcome could not be looked up: ${describeError(error)}`,
      );
      if (line.head === entry) line.mode = 'open';
      return undefined;
    }
  }

  /** Logs what an unknown outcome turned out to be. */
  tell({ event, batch }: QueuedEvent, fate: Fate): void {
    // Without expectedSequence only the aggregate's last event is looked at, and the last one of its batch.
    const about = batch === undefined ? 'not its' : 'neither it nor the end of its batch is the';
    const found =
      fate.kind === 'stored' ? 'stored' : `${about} aggregate's last event, so most likely not stored`;
    this.log.info(
      `topic "${this.topic}": the unknown outcome of an event of "${event.token}" was looked up: ${found}`,
    );
  }
}
