import { describeError, errorFields } from '../errors.js';
import type { LogAt } from '../log.js';
import { aggregateIdOf } from '../message/subject.js';
import type { PublishPort } from './publish-port.js';
import type { QueuedEvent } from './publish-queue.js';

/** What the stream itself says about an event. */
export type FoundOutcome =
  | { readonly kind: 'stored'; readonly sequence: number }
  /** Not stored; `actual` is the aggregate's last sequence instead of the expected one. */
  | { readonly kind: 'conflict'; readonly actual: number }
  /** Not stored; the stream holds no event of the aggregate, and has dropped the expected one. */
  | { readonly kind: 'dropped' }
  | { readonly kind: 'not stored' }
  /** Nothing is stored after the expected sequence, so the refusal was about an event that is not stored yet. */
  | { readonly kind: 'open' };

/** The part of a refusal that decides what is read. */
interface Refusal {
  readonly wrongSequence: boolean;
}

/**
 * Reads from the stream what became of an event whose answer is missing or cannot be trusted.
 *
 * Servers answer a copy of a stored event differently: 2.12.15, 2.14.5 and 2.15.1 say "wrong last sequence" about the
 * event's own first copy. So a refusal is checked in two cases, and believed in all others:
 *
 * 1. It says "wrong sequence". An earlier call, perhaps of a killed process, may have stored the event.
 *    It may also be about an event that is not stored yet and that a step-down then drops (replicas, 2.15.1).
 * 2. The event was sent more than once.
 */
export class OutcomeLookup {
  constructor(
    private readonly topic: string,
    private readonly port: PublishPort,
    private readonly log: LogAt<'topic'>,
  ) {}

  /**
   * Looks up the head of a queue, which is `checking` meanwhile. Resolves with undefined if the server did not
   * answer, or if the event is not the head any more.
   */
  async lookUp(event: QueuedEvent, refusal?: Refusal): Promise<FoundOutcome | undefined> {
    const { queue } = event;
    queue.markChecking();
    try {
      const found = await this.#read(event, refusal);
      return queue.head === event ? found : undefined;
    } catch (error) {
      this.log.write(
        'outcome-not-found',
        { aggregate: aggregateIdOf(event.outgoing.token), ...errorFields(error) },
        `topic "${this.topic}": an event's outcome could not be looked up: ${describeError(error)}`,
      );
      if (queue.head === event) queue.markOpen();
      return undefined;
    }
  }

  /** Logs what an unknown outcome turned out to be. */
  report({ outgoing, batch }: QueuedEvent, found: FoundOutcome): void {
    // Without expectedSequence only the aggregate's last event is read, and compared with the end of the batch.
    const about = batch === undefined ? 'not its' : 'neither it nor the end of its batch is the';
    const text =
      found.kind === 'stored' ? 'stored' : `${about} aggregate's last event, so most likely not stored`;
    this.log.write(
      'outcome-found',
      { aggregate: aggregateIdOf(outgoing.token), why: text },
      `topic "${this.topic}": the unknown outcome of an event of "${outgoing.token}" was looked up: ${text}`,
    );
  }

  async #read(event: QueuedEvent, refusal: Refusal | undefined): Promise<FoundOutcome> {
    const { subject, messageId, expectedSequence } = event.outgoing;
    if (event.batch !== undefined) {
      // A batch is stored as one. If its last event is the aggregate's last, this event stands as far before it
      // as it stood in the batch.
      const { last, eventsAfter } = event.batch;
      const sequence = await this.port.findStored(subject, last.outgoing.messageId);
      if (sequence !== undefined) return { kind: 'stored', sequence: sequence - eventsAfter };
    }
    if (refusal?.wrongSequence === true) return this.#readAfter(event, expectedSequence ?? 0);
    if (refusal === undefined || event.sends > 1) {
      const sequence = await this.port.findStored(subject, messageId, expectedSequence);
      if (sequence !== undefined) return { kind: 'stored', sequence };
    }
    return { kind: 'not stored' };
  }

  /** The server says that `expected` is not the aggregate's last sequence. */
  async #readAfter({ outgoing }: QueuedEvent, expected: number): Promise<FoundOutcome> {
    const { subject, messageId } = outgoing;
    // In this order: once an event is stored after the expected sequence, the first one there never changes.
    const actual = await this.port.lastSequence(subject);
    if (actual === expected) return { kind: 'open' };
    const sequence = await this.port.findStored(subject, messageId, expected);
    if (sequence !== undefined) return { kind: 'stored', sequence };
    const isDropped = actual === 0 && (await this.port.hasDropped(expected));
    return isDropped ? { kind: 'dropped' } : { kind: 'conflict', actual };
  }
}
