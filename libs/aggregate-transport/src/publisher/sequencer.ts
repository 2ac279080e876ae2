import { isSabotaged } from '#sabotage';
import { every, type Timer } from '../clock.js';
import { AggregateTransportError } from '../errors.js';
import type { PublishReceipt } from '../message/event.js';
import { type ServerAnswer, noPermission } from './server-answer.js';
import { Batching, type BatchingStatus } from './batching.js';
import type { OutgoingEvent } from '../message/prepare.js';
import { tokenOfSubject } from '../message/subject.js';
import { QueuedEvent, PublishQueue } from './publish-queue.js';
import { OutcomeLookup } from './outcome-lookup.js';
import { PublishOutcomes } from './publish-outcomes.js';
import { copiesEnded, type ResendWindow, resendWindowOf } from './resend-window.js';
import type { PublishListener, PublishPort } from './publish-port.js';
import { ReadyQueues } from './ready-queues.js';
import * as refusal from './publish-errors.js';
import type { SequencerOptions } from './sequencer-options.js';
import { copyOf } from './copy-of.js';

const SWEEP_MS = 100;
const RESEND_AFTER_MS = 2_000;
const RESEND_WHEN_UNAVAILABLE_MS = 100;

/**
 * Stores the events of each aggregate in call order: one event per aggregate is on the wire, the next
 * one leaves when it is stored. Aggregates go side by side. A long queue goes in batches ({@link Batching}),
 * of which one per aggregate is on the wire in place of the event.
 *
 * An event keeps its dedup id over all sends, so sending again is safe whenever the outcome is open:
 * after a reconnect (the client drops what was written while disconnected), without an answer, without
 * a leader. What must never happen is that n+1 leaves while n is open; pipelining n and n+1 loses n in
 * the middle and stores n+1 on every leader change.
 */
export class Sequencer implements PublishListener {
  readonly #port: PublishPort;
  readonly #lines = new Map<string, PublishQueue>();
  readonly #wire = new Map<number, QueuedEvent>();
  readonly #outcomes: PublishOutcomes;
  readonly #sweep: Timer;
  readonly #resendWindow: ResendWindow;
  readonly #ready = new ReadyQueues();
  readonly #lane: Batching;
  readonly #lookup: OutcomeLookup;
  /** Lines on the wire whose outcome is unknown. They hold no place there: others must not wait for them. */
  #unknown = 0;
  #lastId = 0;
  #closed = false;

  constructor(private readonly options: SequencerOptions) {
    this.#resendWindow = resendWindowOf(options.giveUpAfterMs, options.duplicateWindowMs);
    this.#port = options.connect(this);
    this.#lookup = new OutcomeLookup(options.topic, this.#port, options.log);
    this.#outcomes = new PublishOutcomes(options.topic);
    this.#lane = new Batching({
      ...options,
      port: this.#port,
      outcomes: this.#outcomes,
      leaves: (entry) => this.#leaves(entry),
      answered: (entry) => this.#wire.delete(entry.id),
      advance: (line) => this.#advance(line),
    });
    this.#sweep = every(options.clock, SWEEP_MS, () => this.#sweepOnce());
  }

  /** Events accepted whose outcome is open. */
  get pending(): number {
    return this.#outcomes.pending;
  }

  /** Events stored. */
  get published(): number {
    return this.#outcomes.published;
  }

  /** Events whose caller got an error. */
  get failed(): number {
    return this.#outcomes.failed;
  }

  /** Whether long queues are stored in batches; if not, why. */
  get batching(): BatchingStatus {
    return this.#lane.status;
  }

  /**
   * Queues an event behind its aggregate's earlier ones. Resolves when it is stored.
   * @throws PUBLISHER_SATURATED, ABORTED: never sent
   * @throws PUBLISHER_CLOSED: not stored
   * @throws PREDECESSOR_REJECTED, PREDECESSOR_UNKNOWN: not stored, because an earlier event failed
   * @throws PUBLISH_REJECTED, SEQUENCE_CONFLICT: not stored
   * @throws OUTCOME_UNKNOWN: may be stored or not
   */
  publish(event: OutgoingEvent, signal?: AbortSignal): Promise<PublishReceipt> {
    return new Promise((resolve, reject) => {
      const known = isSabotaged('publisher-pipelines') ? undefined : this.#lines.get(event.token);
      const line = known ?? this.#newLine(event.token);
      const obstacle = this.#obstacleFor(line, signal);
      if (obstacle !== undefined) {
        this.#outcomes.turnedAway();
        if (line.head === undefined) this.#lines.delete(line.token);
        reject(obstacle);
        return;
      }
      const entry = new QueuedEvent(++this.#lastId, event, line, { resolve, reject });
      this.#outcomes.accepted();
      line.append(entry);
      if (signal !== undefined) this.#callOffOnAbort(entry, signal);
      if (line.head !== entry) return;
      this.#ready.add(line);
      this.#fillWire();
    });
  }

  /** Resolves when every event accepted so far has its outcome, whatever it is. */
  flush(): Promise<void> {
    return this.#outcomes.flush(this.#lastId);
  }

  /** Lets an aggregate with an unknown outcome go on; the caller vouches that the open event is dealt with. */
  resume(token: string): void {
    const line = this.#lines.get(token);
    if (line?.isUnknown === true) this.#reopen(line);
  }

  /** The aggregates that accept nothing because an outcome is unknown. */
  unknownAggregates(): string[] {
    return [...this.#lines.values()].filter((line) => line.isUnknown).map((line) => line.token);
  }

  lastSequence(subject: string): Promise<number> {
    return this.#port.lastSequence(subject);
  }

  /** Accepts nothing more. What was sent ends as unknown, the rest as not stored; {@link flush} first. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sweep.cancel();
    this.#port.close();
    for (const { head } of this.#lines.values()) {
      for (let entry = head; entry; entry = entry.next) this.#fail(entry, refusal.calledOffByClose(entry));
    }
    this.#lines.clear();
    this.#wire.clear();
  }

  answered(id: number, answer: ServerAnswer): void {
    const entry = this.#wire.get(id);
    if (entry === undefined) {
      this.#lane.answered(id, answer);
      return;
    }
    if (entry.line.mode === 'checking') return;
    switch (answer.kind) {
      case 'stored':
        this.#stored(entry, answer.sequence, answer.duplicate && entry.sends === 1);
        return;
      case 'unavailable':
        this.#sendSoon(entry);
        return;
      case 'refused':
        if (entry.sends > 1 || answer.wrongSequence) void this.#check(entry, answer);
        else this.#rejected(entry, refusal.rejected(entry, this.options.topic, answer));
    }
  }

  opened(batch: number): void {
    this.#lane.opened(batch);
  }

  denied(subject: string): void {
    const line = this.#lines.get(tokenOfSubject(subject));
    if (line?.head === undefined || line.head.sends === 0) return;
    // Which of a batch's events was denied, nobody knows; its first one, sent again behind all of it, hears for itself.
    if (this.#lane.carries(line)) this.#send(line.head);
    else this.answered(line.head.id, noPermission(subject));
  }

  reconnected(): void {
    const now = this.options.clock.now();
    for (const entry of this.#wire.values()) {
      const ended = entry.line.mode === 'checking' || copiesEnded(this.#resendWindow, entry.firstSentAt, now);
      if (!ended) this.#send(entry);
    }
    this.#fillWire();
  }

  #newLine(token: string): PublishQueue {
    const line = new PublishQueue(token);
    this.#lines.set(token, line);
    return line;
  }

  #obstacleFor(line: PublishQueue, signal: AbortSignal | undefined): Error | undefined {
    if (this.#closed) return refusal.closed();
    if (signal?.aborted === true) return refusal.aborted(signal.reason);
    if (line.isUnknown) return refusal.predecessorUnknown();
    if (this.#outcomes.pending >= this.options.maxPending) return refusal.saturated(this.options.maxPending);
    return undefined;
  }

  #callOffOnAbort(entry: QueuedEvent, signal: AbortSignal): void {
    const callOff = (): void => {
      if (entry.sends > 0 || entry.alone || entry.settled) return;
      this.#fail(entry, refusal.aborted(signal.reason));
      if (entry.line.head === entry) this.#goOn(entry.line);
    };
    signal.addEventListener('abort', callOff, { once: true });
    entry.letGo = () => signal.removeEventListener('abort', callOff);
  }

  get #busyLines(): number {
    return this.#wire.size - this.#unknown;
  }

  #fillWire(): void {
    const room = this.options.maxInFlight - this.#lane.followersOnWire;
    while (this.#busyLines < room && this.#port.connected) {
      const line = this.#ready.take();
      if (line === undefined) return;
      const { head } = line;
      if (head === undefined || head.settled || this.#wire.has(head.id)) continue;
      if (this.#lane.pays(line, this.#busyLines)) this.#lane.open(++this.#lastId, line, head);
      else this.#send(head);
    }
  }

  #send(entry: QueuedEvent): void {
    this.#lane.wentAlone(entry.line);
    this.#leaves(entry);
    this.#port.send(entry.id, entry.sends > 1 ? copyOf(entry.event) : entry.event);
  }

  #leaves(entry: QueuedEvent): void {
    const now = this.options.clock.now();
    if (entry.sends++ === 0) entry.firstSentAt = now;
    this.#wire.set(entry.id, entry);
    entry.resendAt = now + RESEND_AFTER_MS;
  }

  #stored(entry: QueuedEvent, sequence: number, duplicate: boolean): void {
    this.#wire.delete(entry.id);
    this.#outcomes.stored(entry, sequence, duplicate);
    this.#goOn(entry.line);
  }

  /** Takes the head off and lets the next one leave. */
  #goOn(line: PublishQueue): void {
    line.shift();
    this.#advance(line);
  }

  /** The head is another one, or may leave again. */
  #advance(line: PublishQueue): void {
    if (line.hasGivenUp) this.#unknown--;
    line.hasGivenUp = false;
    line.mode = 'open';
    if (line.head === undefined) this.#lines.delete(line.token);
    else this.#ready.add(line);
    this.#fillWire();
  }

  #rejected(entry: QueuedEvent, error: AggregateTransportError): void {
    this.#wire.delete(entry.id);
    this.#fail(entry, error);
    const followers = isSabotaged('publisher-skips-after-refusal') ? [] : entry.line.takeFollowers();
    for (const follower of followers) this.#fail(follower, refusal.predecessorRejected(error));
    this.#goOn(entry.line);
  }

  #sendSoon(entry: QueuedEvent): void {
    entry.line.mode = 'open';
    entry.resendAt = this.options.clock.now() + RESEND_WHEN_UNAVAILABLE_MS;
  }

  /** The refusal may be about the event's own first copy, so the stream is asked before it is believed. */
  async #check(entry: QueuedEvent, answer: ServerAnswer & { kind: 'refused' }): Promise<void> {
    const fate = await this.#lookup.ask(entry, answer);
    if (fate === undefined || this.#closed) return;
    if (fate.kind === 'open') this.#sendSoon(entry);
    else if (fate.kind === 'stored') this.#stored(entry, fate.sequence, entry.sends === 1);
    else if (fate.kind === 'conflict') this.#rejected(entry, refusal.conflict(entry, fate.actual));
    else this.#rejected(entry, refusal.rejected(entry, this.options.topic, answer));
  }

  #sweepOnce(): void {
    const now = this.options.clock.now();
    this.#lane.sweep();
    for (const entry of this.#wire.values()) {
      if (entry.line.mode === 'checking') continue;
      const isLate = now - entry.firstSentAt >= this.#resendWindow.giveUpAfterMs;
      if (isLate && !entry.settled) this.#giveUp(entry);
      if (copiesEnded(this.#resendWindow, entry.firstSentAt, now)) void this.#findOut(entry);
      else if (now >= entry.resendAt && this.#port.connected) this.#send(entry);
    }
    this.#fillWire();
  }

  #giveUp(entry: QueuedEvent): void {
    this.#fail(entry, refusal.outcomeUnknown(entry, this.#resendWindow.reason));
    entry.line.hasGivenUp = true;
    this.#unknown++;
    if (isSabotaged('publisher-forgets-unknown')) this.#reopen(entry.line);
    else
      for (const follower of entry.line.takeFollowers())
        this.#fail(follower, refusal.behindUnknown(follower));
  }

  /** No copy may be sent any more: asks the stream what became of the event, and opens the line with the answer. */
  async #findOut(entry: QueuedEvent): Promise<void> {
    if (!this.#port.connected) return;
    const fate = await this.#lookup.ask(entry);
    if (fate === undefined || this.#closed) return;
    this.#lookup.tell(entry, fate);
    this.#reopen(entry.line);
  }

  #reopen(line: PublishQueue): void {
    if (line.head !== undefined) this.#wire.delete(line.head.id);
    this.#goOn(line);
  }

  #fail(entry: QueuedEvent, error: Error): void {
    this.#outcomes.failedWith(entry, error);
  }
}
