import { isSabotaged } from '#sabotage';
import type { AggregateTransportError } from '../errors.js';
import { PassingMap } from '../passing-map.js';
import type { Batch } from './batch.js';
import type { Dispatcher } from './dispatcher.js';
import * as errors from './publish-errors.js';
import type { PublishOutcomes } from './publish-outcomes.js';
import { PublishQueue, type QueuedEvent } from './publish-queue.js';
import type { FailureListener } from './sequencer-options.js';
import type { ServerAnswer } from './server-answer.js';

/**
 * Applies each outcome to its aggregate: the caller is told, the event leaves the queue, and the next event may be
 * sent. No event leaves before the outcome of the event before it is known.
 */
export class AggregateQueues {
  readonly #queues = new PassingMap<string, PublishQueue>();

  constructor(
    private readonly outcomes: PublishOutcomes,
    private readonly dispatcher: Dispatcher,
    private readonly failures?: FailureListener,
  ) {}

  find(token: string): PublishQueue | undefined {
    return this.#queues.get(token);
  }

  /** The tokens of the aggregates that accept no event because an outcome is unknown. */
  unknown(): string[] {
    return [...this.#queues.values()].filter((queue) => queue.isUnknown).map((queue) => queue.token);
  }

  /** The aggregate's queue, which is made if there is none. */
  open(token: string): PublishQueue {
    const known = isSabotaged('publisher-pipelines') ? undefined : this.#queues.get(token);
    if (known !== undefined) return known;
    const queue = new PublishQueue(token);
    this.#queues.set(token, queue);
    return queue;
  }

  forgetIfEmpty(queue: PublishQueue): void {
    if (queue.head === undefined) this.#queues.delete(queue.token);
  }

  /** Sends the queue's head when there is a place for it. */
  append(event: QueuedEvent): void {
    const { queue } = event;
    this.outcomes.noteAccepted();
    queue.append(event);
    if (queue.head === event) this.dispatcher.dispatch(queue);
  }

  /** The head is stored. */
  store(event: QueuedEvent, sequence: number, duplicate: boolean): void {
    this.dispatcher.remove(event);
    this.outcomes.resolve(event, sequence, duplicate);
    event.next?.noteStoredBefore(sequence);
    this.#removeHead(event.queue);
  }

  /** A batch is stored. Its first events may have been answered one by one before. */
  storeBatch(batch: Batch, { sequence, duplicate }: ServerAnswer & { kind: 'stored' }): void {
    const { queue, events } = batch;
    let moved = false;
    for (const [index, event] of events.entries()) {
      if (queue.head !== event) continue;
      this.dispatcher.remove(event);
      this.outcomes.resolve(event, batch.sequenceOf(index, sequence), duplicate);
      queue.shift();
      moved = true;
    }
    if (!moved) return;
    queue.head?.noteStoredBefore(sequence);
    this.#advance(queue);
  }

  /** A batch is not stored and nothing of it is under way: its events are sent one by one, for their own answers. */
  dissolve(batch: Batch): void {
    const { first, queue } = batch;
    if (queue.head !== first) return;
    batch.dissolve();
    this.dispatcher.remove(first);
    // A caller that was told OUTCOME_UNKNOWN is told nothing more, and its event is now known not to be stored.
    if (first.hasOutcome) queue.shift();
    this.#advance(queue);
  }

  /** The head is refused: neither it nor an event queued after it is stored. */
  reject(event: QueuedEvent, error: Error): void {
    const { queue } = event;
    this.dispatcher.remove(event);
    this.outcomes.reject(event, error);
    const followers = isSabotaged('publisher-skips-after-refusal') ? [] : queue.takeFollowers();
    for (const follower of followers) this.outcomes.reject(follower, errors.predecessorRejected(error));
    this.failures?.predecessorFailed(queue.token, () => errors.predecessorRejected(error));
    this.#removeHead(queue);
  }

  /** The caller aborted an event that was never sent. */
  abort(event: QueuedEvent, reason: unknown): void {
    if (event.sends > 0 || event.alone || event.hasOutcome) return;
    this.outcomes.reject(event, errors.aborted(reason));
    if (event.queue.head === event) this.#removeHead(event.queue);
  }

  /** The head's outcome is unknown. Its queue accepts no event until the outcome is known. */
  giveUp(event: QueuedEvent, reason: string): void {
    const { queue } = event;
    this.outcomes.reject(event, errors.outcomeUnknown(event, reason));
    this.dispatcher.noteUnknown();
    if (isSabotaged('publisher-forgets-unknown')) {
      this.reopen(queue);
      return;
    }
    for (const follower of queue.takeFollowers())
      this.outcomes.reject(follower, errors.followsUnknown(follower, reason));
    this.failures?.predecessorFailed(queue.token, errors.predecessorUnknown);
  }

  /** The unknown outcome of the head is known, or a caller vouches for it: the queue accepts events again. */
  reopen(queue: PublishQueue): void {
    if (queue.head !== undefined) this.dispatcher.remove(queue.head);
    this.#removeHead(queue);
  }

  /** Ends all calls for the reason `end`: sent events as unknown, others as not stored. */
  close(end: AggregateTransportError): void {
    for (const { head } of this.#queues.values()) {
      for (let event = head; event !== undefined; event = event.next)
        this.outcomes.reject(event, errors.endedBy(end, event));
    }
    this.#queues.clear();
    this.dispatcher.clear();
  }

  #removeHead(queue: PublishQueue): void {
    queue.shift();
    this.#advance(queue);
  }

  /** The queue has another head, or its head may be sent again. */
  #advance(queue: PublishQueue): void {
    queue.markOpen();
    if (queue.head === undefined) {
      this.#queues.delete(queue.token);
      this.dispatcher.fill();
    } else this.dispatcher.dispatch(queue);
  }
}
