import type { Clock } from '../../clock.js';
import { NEXT, type Step } from '../../executor/keyed-executor.js';
import { Delivery } from '../../message/delivery.js';
import type { AttemptCounts } from './attempt-counts.js';
import type { AttemptEnds } from './attempt-ends.js';
import { type BatchHandler, endsLater, type EventHandler } from './event-handlers.js';
import type { FailedAttempts } from './failed-attempts.js';
import type { HandlerCalls } from './handler-calls.js';
import type { HeadDetour } from './head-detour.js';
import type { LaneEntry } from './lane-entry.js';
import type { LaneListener } from './lane-listener.js';
import type { Failure } from './outcome.js';

/** Knows the events that may have killed an earlier owner. */
export interface SuspectCheck {
  isSuspect(event: Delivery): boolean;
}

export interface BatchAttemptOptions {
  readonly calls: HandlerCalls;
  readonly letterLanes: Pick<HeadDetour, 'isHeadOfDetour' | 'settleHead'>;
  readonly ends: AttemptEnds;
  readonly failed: FailedAttempts;
  readonly clock: Clock;
  readonly listener: LaneListener;
  readonly counts: AttemptCounts;
}

/** At least the head of a lane. */
type Batch = readonly [Delivery, ...Delivery[]];

const AT_ONCE: Step = 0;

/**
 * Hands consecutive events of one aggregate to a handler that takes several at once. All of them are settled, or none.
 *
 * 1. A batch begins with a head that has not been tried. It takes the next events of the lane, up to the handler's
 *    size. It ends before an event of another handler, one that was tried, one that is suspected of a crash,
 *    and one that its handler refuses.
 * 2. If the call fails, its events are tried again alone, from the head on. Only then is one of them the culprit, and
 *    only then do attempts count towards its end.
 * 3. If the lane becomes letters while the call runs, all but the head leave it. They are handled all the same, so
 *    their letters are removed and not replayed.
 */
export class BatchAttempts {
  constructor(
    private readonly options: BatchAttemptOptions,
    private readonly suspects: SuspectCheck,
  ) {}

  /** How many events of a lane the next run of its head takes. */
  spanOf(head: LaneEntry): number {
    if (!(head instanceof Delivery) || this.options.letterLanes.isHeadOfDetour(head)) return 1;
    const handler = this.#handlerOf(head);
    const size = handler?.batches?.size ?? 1;
    let span = 1;
    for (let next = head.next; span < size && next instanceof Delivery; next = next.next) {
      if (this.#handlerOf(next) !== handler) break;
      span++;
    }
    return span;
  }

  /** Calls the handler for these. Undefined if it has none that takes them together. Never rejects. */
  run(head: Delivery, span: number): Step | PromiseLike<Step> | undefined {
    const { calls, clock } = this.options;
    const handler = calls.find(head);
    const batches = handler?.batches;
    if (handler === undefined || batches === undefined) return undefined;
    const events = eventsFrom(head, span);
    const now = clock.now();
    for (const event of events) event.begin(now);
    return this.#call(events, handler, batches);
  }

  #call(events: Batch, handler: EventHandler, batches: BatchHandler): Step | PromiseLike<Step> {
    const { calls, ends } = this.options;
    const [head] = events;
    const isChosen = ends.begins(head);
    const ended = calls.startAll(events, handler, batches);
    if (!endsLater(ended)) {
      ends.measure(head, ended, isChosen);
      return this.#ended(events, ended);
    }
    return ended.then((failure) => {
      calls.noteEnded(head);
      ends.measure(head, failure, isChosen);
      return this.#ended(events, failure);
    });
  }

  /** The handler of an event that may be part of a batch. */
  #handlerOf(event: Delivery): EventHandler | undefined {
    const { calls } = this.options;
    if (event.attempt > 0 || this.suspects.isSuspect(event) || calls.decode(event) !== undefined)
      return undefined;
    const handler = calls.find(event);
    return handler?.refusalOf?.(event) === undefined ? handler : undefined;
  }

  #ended(events: Batch, failure: Failure | undefined): Step | Promise<Step> {
    const { ends, listener } = this.options;
    const [head] = events;
    if (!listener.isCurrent(head)) {
      ends.decided(head, 'lost', failure);
      return NEXT;
    }
    ends.count(head, failure);
    return failure === undefined ? this.#done(events, head) : this.#failed(events, head, failure);
  }

  #done(events: Batch, head: Delivery): Step | Promise<Step> {
    const { ends, listener, letterLanes, counts } = this.options;
    counts.handled += events.length;
    ends.decided(head, 'handled');
    if (letterLanes.isHeadOfDetour(head))
      return letterLanes.settleHead(head, events.at(-1)?.sequence ?? head.sequence);
    for (const event of events) listener.settled(event);
    return NEXT;
  }

  /** The head is tried alone at once. The pause before its next attempt is that of its own failure. */
  #failed(events: Batch, head: Delivery, failure: Failure): Step {
    const { ends, failed, counts } = this.options;
    counts.failedIn[failure.stage]++;
    counts.retried++;
    ends.noteFailed(head);
    failed.noteTogether(head, events.length - 1, failure);
    ends.decided(head, 'retried', failure);
    return AT_ONCE;
  }
}

function eventsFrom(head: Delivery, span: number): Batch {
  const events: [Delivery, ...Delivery[]] = [head];
  for (let next = head.next; events.length < span && next instanceof Delivery; next = next.next)
    events.push(next);
  return events;
}
