import { isSabotaged } from '#sabotage';
import { every, type Timer } from '../clock.js';
import { AggregateTransportError, describeError } from '../errors.js';
import type { PublishReceipt } from '../message/event.js';
import { type Answer, noPermission } from './answer.js';
import { type Fate, fateOf } from './fate.js';
import { FlushWaiters } from './flush-waiters.js';
import type { OutgoingEvent } from '../message/prepare.js';
import { tokenOfSubject } from '../message/subject.js';
import { Entry, Line } from './line.js';
import { type Patience, patienceOf } from './patience.js';
import type { PublishListener, PublishPort } from './publish-port.js';
import { ReadyLines } from './ready-lines.js';
import * as refusal from './refusals.js';
import type { SequencerOptions } from './sequencer-options.js';
import { copyOf } from './copy-of.js';

const SWEEP_MS = 100;
const RESEND_AFTER_MS = 2_000;
const RESEND_WHEN_UNAVAILABLE_MS = 100;

/**
 * Stores the events of each aggregate in call order: one event per aggregate is on the wire, the next
 * one leaves when it is stored. Aggregates go side by side.
 *
 * An event keeps its dedup id over all sends, so sending again is safe whenever the outcome is open:
 * after a reconnect (the client drops what was written while disconnected), without an answer, without
 * a leader. What must never happen is that n+1 leaves while n is open; pipelining n and n+1 loses n in
 * the middle and stores n+1 on every leader change.
 */
export class Sequencer implements PublishListener {
  readonly #port: PublishPort;
  readonly #lines = new Map<string, Line>();
  readonly #wire = new Map<number, { entry: Entry; line: Line }>();
  readonly #flushes = new FlushWaiters();
  readonly #sweep: Timer;
  readonly #patience: Patience;
  readonly #ready = new ReadyLines();
  /** Lines on the wire whose outcome is unknown. They hold no place there: others must not wait for them. */
  #unknown = 0;
  #lastId = 0;
  #pending = 0;
  #published = 0;
  #failed = 0;
  #closed = false;

  constructor(private readonly options: SequencerOptions) {
    this.#patience = patienceOf(options.giveUpAfterMs, options.duplicateWindowMs);
    this.#port = options.connect(this);
    this.#sweep = every(options.clock, SWEEP_MS, () => this.#sweepOnce());
  }

  /** Events accepted whose outcome is open. */
  get pending(): number {
    return this.#pending;
  }

  /** Events stored. */
  get published(): number {
    return this.#published;
  }

  /** Events whose caller got an error. */
  get failed(): number {
    return this.#failed;
  }

  /**
   * Queues an event behind its aggregate's earlier ones. Resolves when it is stored.
   * @throws PUBLISHER_CLOSED, PUBLISHER_SATURATED, ABORTED: never sent
   * @throws PREDECESSOR_REJECTED, PREDECESSOR_UNKNOWN: never sent, because an earlier event failed
   * @throws PUBLISH_REJECTED, SEQUENCE_CONFLICT: not stored
   * @throws OUTCOME_UNKNOWN: may be stored or not
   */
  publish(event: OutgoingEvent, signal?: AbortSignal): Promise<PublishReceipt> {
    return new Promise((resolve, reject) => {
      const known = isSabotaged('publisher-pipelines') ? undefined : this.#lines.get(event.token);
      const line = known ?? this.#newLine(event.token);
      const obstacle = this.#obstacleFor(line, signal);
      if (obstacle !== undefined) {
        this.#failed++;
        if (line.head === undefined) this.#lines.delete(line.token);
        reject(obstacle);
        return;
      }
      const entry = new Entry(++this.#lastId, event, resolve, reject);
      this.#pending++;
      line.append(entry);
      if (signal !== undefined) this.#callOffOnAbort(entry, signal);
      if (line.head === entry) this.#makeReady(line);
    });
  }

  /** Resolves when every event accepted so far has its outcome, whatever it is. */
  flush(): Promise<void> {
    return this.#flushes.wait(this.#lastId, this.#pending);
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

  /** Accepts nothing more. What was sent ends as unknown, the rest as never sent; {@link flush} first. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#sweep.cancel();
    this.#port.close();
    for (const line of this.#lines.values()) {
      for (let entry = line.head; entry !== undefined; entry = entry.next) {
        const sent = entry.sends > 0;
        this.#fail(
          entry,
          sent ? refusal.outcomeUnknown(entry, 'the publisher was closed') : refusal.closed(),
        );
      }
    }
    this.#lines.clear();
    this.#wire.clear();
  }

  answered(id: number, answer: Answer): void {
    const sent = this.#wire.get(id);
    if (sent === undefined || sent.line.mode === 'checking') return;
    const { entry, line } = sent;
    switch (answer.kind) {
      case 'stored':
        this.#stored(entry, line, answer.sequence, answer.duplicate && entry.sends === 1);
        return;
      case 'unavailable':
        entry.resendAt = this.options.clock.now() + RESEND_WHEN_UNAVAILABLE_MS;
        return;
      case 'refused':
        if (entry.sends > 1 || answer.wrongSequence) void this.#check(entry, line, answer);
        else this.#rejected(entry, line, refusal.rejected(entry, this.options.topic, answer));
    }
  }

  denied(subject: string): void {
    const head = this.#lines.get(tokenOfSubject(subject))?.head;
    if (head !== undefined && head.sends > 0) this.answered(head.id, noPermission(subject));
  }

  reconnected(): void {
    const now = this.options.clock.now();
    for (const { entry, line } of this.#wire.values()) {
      if (line.mode !== 'checking' && !this.#mayBeForgotten(entry, now)) this.#send(entry, line);
    }
    this.#fillWire();
  }

  #newLine(token: string): Line {
    const line = new Line(token);
    this.#lines.set(token, line);
    return line;
  }

  #obstacleFor(line: Line, signal: AbortSignal | undefined): Error | undefined {
    if (this.#closed) return refusal.closed();
    if (signal?.aborted === true) return refusal.aborted(signal.reason);
    if (line.isUnknown) return refusal.predecessorUnknown();
    if (this.#pending >= this.options.maxPending) return refusal.saturated(this.options.maxPending);
    return undefined;
  }

  #callOffOnAbort(entry: Entry, signal: AbortSignal): void {
    const callOff = (): void => {
      if (entry.sends > 0 || entry.settled) return;
      const line = this.#lines.get(entry.event.token);
      this.#fail(entry, refusal.aborted(signal.reason));
      if (line?.head === entry) this.#goOn(line);
    };
    signal.addEventListener('abort', callOff, { once: true });
    entry.letGo = () => signal.removeEventListener('abort', callOff);
  }

  #makeReady(line: Line): void {
    this.#ready.add(line);
    this.#fillWire();
  }

  #fillWire(): void {
    while (this.#wire.size - this.#unknown < this.options.maxInFlight && this.#port.connected) {
      const line = this.#ready.take();
      if (line === undefined) return;
      const { head } = line;
      if (head !== undefined && head.sends === 0 && !head.settled) this.#send(head, line);
    }
  }

  #send(entry: Entry, line: Line): void {
    const now = this.options.clock.now();
    if (entry.sends++ === 0) {
      entry.firstSentAt = now;
      this.#wire.set(entry.id, { entry, line });
    }
    entry.resendAt = now + RESEND_AFTER_MS;
    this.#port.send(entry.id, entry.sends > 1 ? copyOf(entry.event) : entry.event);
  }

  #stored(entry: Entry, line: Line, sequence: number, duplicate: boolean): void {
    this.#wire.delete(entry.id);
    if (!entry.settled) {
      this.#published++;
      this.#settle(entry);
      entry.resolve({ topic: this.options.topic, sequence, duplicate });
    }
    this.#goOn(line);
  }

  /** Takes the head off and lets the next one leave. */
  #goOn(line: Line): void {
    if (line.hasGivenUp) this.#unknown--;
    line.hasGivenUp = false;
    line.mode = 'open';
    line.shift();
    if (line.head === undefined) this.#lines.delete(line.token);
    else this.#makeReady(line);
    this.#fillWire();
  }

  #rejected(entry: Entry, line: Line, error: AggregateTransportError): void {
    this.#wire.delete(entry.id);
    this.#fail(entry, error);
    const followers = isSabotaged('publisher-skips-after-refusal') ? [] : line.takeFollowers();
    for (const follower of followers) this.#fail(follower, refusal.predecessorRejected(error));
    this.#goOn(line);
  }

  /** The refusal may be about the event's own first copy, so the stream is asked before it is believed. */
  async #check(entry: Entry, line: Line, answer: Answer & { kind: 'refused' }): Promise<void> {
    const fate = await this.#ask(entry, line, answer);
    if (fate === undefined) return;
    if (fate.kind === 'stored') this.#stored(entry, line, fate.sequence, entry.sends === 1);
    else if (fate.kind === 'conflict') this.#rejected(entry, line, refusal.conflict(entry, fate.actual));
    else this.#rejected(entry, line, refusal.rejected(entry, this.options.topic, answer));
  }

  /** Asks what became of the head; undefined if that stays open, or the head is no longer the head. */
  async #ask(entry: Entry, line: Line, refused?: { wrongSequence: boolean }): Promise<Fate | undefined> {
    line.mode = 'checking';
    try {
      const fate = await fateOf(this.#port, entry, refused);
      return this.#closed || line.head !== entry ? undefined : fate;
    } catch (error) {
      this.options.log.warn(
        `topic "${this.options.topic}": an event's outcome could not be looked up: ${describeError(error)}`,
      );
      if (line.head === entry) line.mode = 'open';
      return undefined;
    }
  }

  #sweepOnce(): void {
    const now = this.options.clock.now();
    for (const { entry, line } of this.#wire.values()) {
      if (line.mode === 'checking') continue;
      const age = now - entry.firstSentAt;
      if (!entry.settled && age >= this.#patience.giveUpAfterMs) this.#giveUp(entry, line);
      if (this.#mayBeForgotten(entry, now)) void this.#findOut(entry, line);
      else if (now >= entry.resendAt && this.#port.connected) this.#send(entry, line);
    }
    this.#fillWire();
  }

  /** The stream may have forgotten the id by the time another copy arrives: none may be sent. */
  #mayBeForgotten(entry: Entry, now: number): boolean {
    return now - entry.firstSentAt >= this.#patience.copiesUntilMs;
  }

  #giveUp(entry: Entry, line: Line): void {
    this.#fail(entry, refusal.outcomeUnknown(entry, this.#patience.reason));
    line.hasGivenUp = true;
    this.#unknown++;
    if (isSabotaged('publisher-forgets-unknown')) {
      this.#reopen(line);
      return;
    }
    for (const follower of line.takeFollowers()) this.#fail(follower, refusal.predecessorUnknown());
  }

  /** No copy may be sent any more: asks the stream what became of the event, and opens the line with the answer. */
  async #findOut(entry: Entry, line: Line): Promise<void> {
    if (!this.#port.connected) return;
    const fate = await this.#ask(entry, line);
    if (fate === undefined) return;
    // Without expectedSequence only the aggregate's last event is looked at.
    const found =
      fate.kind === 'stored' ? 'stored' : "not its aggregate's last event, so most likely not stored";
    this.options.log.info(
      `topic "${this.options.topic}": the unknown outcome of an event of "${entry.event.token}" was looked up: ${found}`,
    );
    this.#reopen(line);
  }

  #reopen(line: Line): void {
    if (line.head !== undefined) this.#wire.delete(line.head.id);
    this.#goOn(line);
  }

  #fail(entry: Entry, error: Error): void {
    if (entry.settled) return;
    this.#failed++;
    this.#settle(entry);
    entry.reject(error);
  }

  #settle(entry: Entry): void {
    entry.settled = true;
    entry.letGo?.();
    this.#pending--;
    this.#flushes.settled(entry.id);
  }
}
