import { every, type Timer } from '../clock.js';
import type { AggregateTransportError } from '../errors.js';
import type { PublishReceipt } from '../message/event.js';
import type { OutgoingEvent } from '../message/outgoing/outgoing-event.js';
import { tokenOfSubject } from '../message/subject.js';
import { AggregateQueues } from './aggregate-queues.js';
import { Batching, type BatchingStatus } from './batching.js';
import { type DispatchListener, Dispatcher } from './dispatcher.js';
import { OutcomeLookup } from './outcome-lookup.js';
import * as errors from './publish-errors.js';
import { PublishOutcomes, type PublishTrouble } from './publish-outcomes.js';
import type { PublishListener, PublishPort } from './publish-port.js';
import { type PublishQueue, QueuedEvent } from './publish-queue.js';
import { ResendWindow } from './resend-window.js';
import type { SequencerOptions } from './sequencer-options.js';
import { describeAnswer, noPermission, type ServerAnswer } from './server-answer.js';

const SWEEP_MS = 100;
const RESEND_WHEN_UNAVAILABLE_MS = 100;
/** A refusal that comes this shortly before an event is late is the last one: no other would come in time. */
const LAST_REFUSAL_MS = 3 * RESEND_WHEN_UNAVAILABLE_MS;
const RECHECK_SIZE_MS = 2_000;

/**
 * Stores the events of each aggregate in call order, each once. An aggregate has one event on the wire, and its next
 * event leaves when that one is stored. Aggregates are independent of each other. A long queue is sent in batches
 * ({@link Batching}): then the aggregate has one batch on the wire instead of one event.
 *
 * An event keeps its dedup id over all sends, so it may be sent again whenever its outcome is open. That is so after a
 * reconnect, without an answer, and without a leader. (The client drops what was written while disconnected.) Event
 * n+1 must never leave while n is open. If both were on the wire, order would be lost on every leader change:
 *
 * 1. The old leader drops n.
 * 2. The new leader stores n+1.
 * 3. n is sent again and stored after n+1.
 *
 * The server refuses an event for good, or for now. A refusal for now counts if it is certain that no copy is stored
 * or under way: the server has refused each of them. From a full stream it then counts at once, otherwise when the
 * event is late. An event with a copy that nothing is known of is not refused: that copy may still be stored.
 */
export class Sequencer implements PublishListener, DispatchListener {
  readonly #port: PublishPort;
  readonly #batching: Batching;
  readonly #dispatcher: Dispatcher;
  readonly #outcomes: PublishOutcomes;
  readonly #queues: AggregateQueues;
  readonly #lookup: OutcomeLookup;
  readonly #resendWindow: ResendWindow;
  readonly #sweep: Timer;
  /** Why no event is accepted any more. */
  #end: AggregateTransportError | undefined;

  constructor(private readonly options: SequencerOptions) {
    const { topic, maxInFlight, clock, log } = options;
    const port = options.connector.connectPublisher(this);
    const batching = new Batching({ topic, limits: options.batching, maxInFlight, clock, log, port });
    this.#port = port;
    this.#batching = batching;
    this.#dispatcher = new Dispatcher({ maxInFlight, clock, port, batching, listener: this });
    this.#outcomes = new PublishOutcomes(topic, clock);
    this.#queues = new AggregateQueues(this.#outcomes, this.#dispatcher, options.failures);
    this.#lookup = new OutcomeLookup(topic, port, log);
    this.#resendWindow = new ResendWindow(options.giveUpAfterMs, options.duplicateWindowMs);
    this.#sweep = every(clock, SWEEP_MS, () => this.#sweepOnce());
  }

  /** Events accepted and without an outcome. */
  get pending(): number {
    return this.#outcomes.pending;
  }

  /** Events stored. */
  get published(): number {
    return this.#outcomes.published;
  }

  /** Calls that ended with an error. */
  get failed(): number {
    return this.#outcomes.failed;
  }

  /** Calls ended with an error before they came here. */
  noteTurnedAway(calls: number): void {
    this.#outcomes.noteTurnedAway(calls);
  }

  /** Whether long queues are stored in batches; if not, why. */
  get batching(): BatchingStatus {
    return this.#batching.status;
  }

  /**
   * What is wrong with publishing, for an observer: the server refuses events, an outcome is unknown, or an event has
   * not been stored for `slowAfterMs`. It names the last temporary answer of the server to that event.
   */
  trouble(slowAfterMs: number): PublishTrouble | undefined {
    const { refused } = this.#outcomes;
    if (refused !== undefined) return refused;
    const now = this.options.clock.now();
    const { unknown, waiting } = this.#dispatcher.slowest;
    if (unknown !== undefined) {
      const why = `the outcome of an event of "${unknown.queue.token}" is unknown, so its aggregate accepts none`;
      return { forMs: now - unknown.firstSentAt, why: `${why}; ${lastAnswerOf(unknown)}` };
    }
    const forMs = now - (waiting?.firstSentAt ?? now);
    if (forMs <= slowAfterMs) return undefined;
    const why = `an event was sent ${Math.round(forMs)} ms ago and is not stored yet`;
    return { forMs, why: `${why}; ${lastAnswerOf(waiting)}` };
  }

  /**
   * Queues an event after its aggregate's earlier ones. Resolves when it is stored.
   * @throws PUBLISHER_SATURATED, ABORTED: never sent
   * @throws PUBLISHER_CLOSED, CONNECTION_CLOSED: not stored
   * @throws PREDECESSOR_REJECTED, PREDECESSOR_UNKNOWN: not stored, because an earlier event failed
   * @throws PUBLISH_REJECTED, SEQUENCE_CONFLICT, SEQUENCE_UNKNOWN: not stored
   * @throws EVENT_TOO_LARGE: not stored, because the server takes less than when the event was accepted
   * @throws OUTCOME_UNKNOWN: may be stored or not
   */
  publish(event: OutgoingEvent, signal?: AbortSignal): Promise<PublishReceipt> {
    return new Promise((resolve, reject) => {
      const queue = this.#queues.open(event.token);
      const obstacle = this.#obstacleFor(queue, event, signal);
      if (obstacle !== undefined) {
        this.#outcomes.noteTurnedAway(1);
        this.#queues.forgetIfEmpty(queue);
        reject(obstacle);
        return;
      }
      const queued = new QueuedEvent(this.#dispatcher.takeId(), event, queue, { resolve, reject });
      if (signal !== undefined) queued.watchAbort(signal, () => this.#queues.abort(queued, signal.reason));
      this.#queues.append(queued);
    });
  }

  /** Resolves when every event accepted so far has an outcome, of either kind. */
  flush(): Promise<void> {
    return this.#outcomes.flush(this.#dispatcher.lastId);
  }

  /** Opens an aggregate with an unknown outcome; the caller vouches that the open event is dealt with. */
  resume(token: string): void {
    const queue = this.#queues.find(token);
    if (queue?.isUnknown === true) this.#queues.reopen(queue);
  }

  /** The aggregates that accept no event because an outcome is unknown. */
  unknownAggregates(): string[] {
    return this.#queues.unknown();
  }

  /** The sequence of the subject's last stored event; 0 if there is none. */
  lastSequence(subject: string): Promise<number> {
    return this.#port.lastSequence(subject);
  }

  /** Accepts no more events. Sent events end as unknown, others as not stored; call {@link flush} first. */
  close(): void {
    this.#stop(errors.closed());
  }

  ended(error: AggregateTransportError): void {
    this.#stop(error);
  }

  answered(id: number, answer: ServerAnswer): void {
    const event = this.#dispatcher.find(id);
    if (event === undefined) {
      this.#batchAnswered(id, answer);
      return;
    }
    if (event.queue.mode === 'checking') return;
    switch (answer.kind) {
      case 'stored':
        this.#queues.store(event, answer.sequence, answer.duplicate && event.sends === 1);
        return;
      case 'unavailable':
        this.#unavailable(event, answer);
        return;
      case 'refused':
        if (event.sends > 1 || answer.wrongSequence) void this.#check(event, answer);
        else this.#queues.reject(event, errors.rejected(event, this.options.topic, answer));
    }
  }

  opened(id: number): void {
    const unfilled = this.#batching.fill(id);
    if (unfilled !== undefined) this.#queues.dissolve(unfilled);
  }

  denied(subject: string): void {
    const queue = this.#queues.find(tokenOfSubject(subject));
    if (queue?.head === undefined || queue.head.sends === 0) return;
    // The denial does not say which event of a batch it is about. The first event, sent again after all of the
    // batch, gets an answer of its own.
    if (this.#batching.carries(queue)) this.#dispatcher.send(queue.head);
    else this.answered(queue.head.id, noPermission(subject));
  }

  outgrown(event: QueuedEvent): void {
    const { maxPayloadBytes } = this.#port;
    if (event.sends === 0 || event.isRefused) {
      this.#queues.reject(event, errors.outgrown(event, maxPayloadBytes));
      return;
    }
    event.noteAnswer(`max_payload is ${maxPayloadBytes} now, too small for a copy of this event`);
    event.scheduleResend(this.options.clock.now() + RECHECK_SIZE_MS);
  }

  reconnected(): void {
    const now = this.options.clock.now();
    // A copy: a refusal puts the next event on the wire, and that one needs no second send.
    for (const event of [...this.#dispatcher.inFlight]) {
      const ended = event.queue.mode === 'checking' || this.#resendWindow.hasEnded(event.firstSentAt, now);
      if (!ended) this.#dispatcher.send(event);
    }
    this.#dispatcher.fill();
  }

  #obstacleFor(
    queue: PublishQueue,
    { follows }: OutgoingEvent,
    signal: AbortSignal | undefined,
  ): Error | undefined {
    if (this.#end !== undefined) return this.#end;
    if (signal?.aborted === true) return errors.aborted(signal.reason);
    if (queue.isUnknown) return errors.predecessorUnknown();
    if (this.#outcomes.pending >= this.options.maxPending) return errors.saturated(this.options.maxPending);
    if (follows !== undefined && queue.tail?.outgoing !== follows) return errors.predecessorMissing();
    return undefined;
  }

  #batchAnswered(id: number, answer: ServerAnswer): void {
    const batch = this.#batching.take(id, answer);
    if (batch === undefined) return;
    if (answer.kind === 'stored') {
      this.#queues.storeBatch(batch, answer);
      return;
    }
    const text = describeAnswer(answer);
    const isRefused = answer.kind === 'refused' || answer.refusal !== undefined;
    if (batch.mode === 'doubtful' || batch.queue.head !== batch.first) {
      // The copy of its first event decides.
      if (isRefused) batch.noteRefused(text);
    } else if (isRefused) this.#queues.dissolve(batch);
    else this.#resendSoon(batch.first, text);
  }

  #unavailable(event: QueuedEvent, answer: ServerAnswer & { kind: 'unavailable' }): void {
    const text = describeAnswer(answer);
    if (answer.refusal !== undefined) event.noteRefusedCopy(text);
    const isLast = this.#resendWindow.isLate(event.firstSentAt, this.options.clock.now() + LAST_REFUSAL_MS);
    if (event.isRefused && (answer.refusal === 'full' || isLast)) {
      this.#queues.reject(event, errors.rejected(event, this.options.topic, answer));
    } else this.#resendSoon(event, text);
  }

  #stop(end: AggregateTransportError): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#sweep.cancel();
    this.#port.close();
    this.#queues.close(end);
  }

  #resendSoon(event: QueuedEvent, answer: string): void {
    event.noteAnswer(answer);
    event.queue.markOpen();
    event.scheduleResend(this.options.clock.now() + RESEND_WHEN_UNAVAILABLE_MS);
  }

  /** Asks the stream before a refusal is believed: it may be about the event's own first copy. */
  async #check(event: QueuedEvent, refusal: ServerAnswer & { kind: 'refused' }): Promise<void> {
    const found = await this.#lookup.lookUp(event, refusal);
    if (found === undefined || this.#end !== undefined) return;
    if (found.kind === 'open') this.#resendSoon(event, describeAnswer(refusal));
    else if (found.kind === 'stored') this.#queues.store(event, found.sequence, event.sends === 1);
    else if (found.kind === 'conflict') this.#queues.reject(event, errors.conflict(event, found.actual));
    else if (found.kind === 'dropped') this.#queues.reject(event, errors.sequenceUnknown(event));
    else this.#queues.reject(event, errors.rejected(event, this.options.topic, refusal));
  }

  #sweepOnce(): void {
    const now = this.options.clock.now();
    this.#batching.forgetEnded();
    for (const event of this.#dispatcher.inFlight) {
      if (event.queue.mode === 'checking') continue;
      if (this.#resendWindow.isLate(event.firstSentAt, now) && !event.hasOutcome) {
        if (event.isRefused) {
          this.#queues.reject(event, errors.rejectedLate(event, this.options.topic));
          continue;
        }
        this.#queues.giveUp(event, this.#resendWindow.reasonFor(event.lastAnswer));
      }
      if (this.#resendWindow.hasEnded(event.firstSentAt, now)) void this.#findOut(event);
      else if (now >= event.resendAt && this.#port.connected) this.#dispatcher.send(event);
    }
    this.#dispatcher.fill();
  }

  /** Asks the stream what became of an event that must not be sent again. Its answer opens the queue. */
  async #findOut(event: QueuedEvent): Promise<void> {
    if (!this.#port.connected) return;
    const found = await this.#lookup.lookUp(event);
    if (found === undefined || this.#end !== undefined) return;
    this.#lookup.report(event, found);
    this.#queues.reopen(event.queue);
  }
}

function lastAnswerOf(event: QueuedEvent | undefined): string {
  const { lastAnswer } = event ?? {};
  return lastAnswer === undefined ? 'no server has answered' : `the last answer: ${lastAnswer}`;
}
