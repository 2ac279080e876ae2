import { isSabotaged } from '#sabotage';
import type { Clock } from '../clock.js';
import type { Log } from '../log.js';
import type { ServerAnswer } from './server-answer.js';
import { Batch, batchFrom, worthwhileAt } from './batch.js';
import type { QueuedEvent, PublishQueue } from './publish-queue.js';
import type { PublishOutcomes } from './publish-outcomes.js';
import type { PublishPort } from './publish-port.js';

export interface BatchingOptions {
  /** Events in a batch, at most. */
  readonly maxBatch: number;
  /** Batches under way, at most. */
  readonly maxOpenBatches: number;
  /** Why the stream takes no batches; undefined if it does. */
  readonly obstacle: string | undefined;
  /** How many events a line must hold, with so many lines under way. Default: what was measured. */
  readonly worthwhileAt?: (busyLines: number) => number;
}

/** Whether long queues are stored in batches, and how many were; if not, why. */
export type BatchingStatus =
  { readonly on: true; readonly batches: number } | { readonly on: false; readonly reason: string };

/** The sequencer, as batching needs it. */
interface Surroundings {
  readonly topic: string;
  readonly batching: BatchingOptions;
  readonly maxInFlight: number;
  readonly clock: Clock;
  readonly log: Log;
  readonly port: PublishPort;
  readonly outcomes: PublishOutcomes;
  /** The event counts as sent, and its line waits for its answer. */
  leaves(entry: QueuedEvent): void;
  /** Nothing is waited for any more. */
  answered(entry: QueuedEvent): void;
  /** The line's first event may leave. */
  advance(line: PublishQueue): void;
}

const MAX_BATCH_BYTES = 1_048_576;
/** A refused batch says that its events should go one by one, and often that the next ones should too. */
const REST_MS = 1_000;
const RETRY_WHEN_UNAVAILABLE_MS = 100;
const BATCHES_DISABLED = 10174;
const BATCH_TOO_LARGE = 10199;

function obstacleOf(maxBatch: number, maxInFlight: number): string | undefined {
  if (maxBatch === 1) return 'publish.maxBatch is 1';
  return maxBatch <= maxInFlight
    ? undefined
    : `publish.maxBatch (${maxBatch}) is more than publish.maxInFlight (${maxInFlight})`;
}

/**
 * Stores the long queue of one aggregate in atomic batches. An aggregate still has one thing under way at a time: an
 * event or a batch. A batch that is refused is stored in no part, so its events go one by one and each gets the answer
 * it would have got anyway; a batch without an answer is followed by its first event, alone and under the same id.
 *
 * Its modes: on; resting for a second, after a refusal; off for good, with a reason.
 */
export class Batching {
  readonly #batches = new Map<number, Batch>();
  #maxBatch: number;
  #off: string | undefined;
  #restsUntil = Number.NEGATIVE_INFINITY;
  #stored = 0;

  constructor(private readonly around: Surroundings) {
    const { topic, log, batching } = around;
    this.#maxBatch = batching.maxBatch;
    this.#off = batching.obstacle ?? obstacleOf(batching.maxBatch, around.maxInFlight);
    log.info(
      this.#off === undefined
        ? `topic "${topic}": batching is on, up to ${batching.maxBatch} events a batch`
        : `topic "${topic}": batching is off: ${this.#off}`,
    );
  }

  get status(): BatchingStatus {
    return this.#off === undefined ? { on: true, batches: this.#stored } : { on: false, reason: this.#off };
  }

  /** Events under way in batches, the first of each not counted. One that opens keeps its places free. */
  get followersOnWire(): number {
    if (this.#batches.size === 0) return 0;
    let count = 0;
    for (const { holdsPlace, mode, events } of this.#batches.values()) {
      if (holdsPlace) count += (mode === 'opening' ? this.#maxBatch : events.length) - 1;
    }
    return count;
  }

  /** Whether the line's queue is worth a batch now, with so many lines under way. */
  pays(line: PublishQueue, busyLines: number): boolean {
    const least = (this.around.batching.worthwhileAt ?? worthwhileAt)(busyLines);
    if (this.#off !== undefined || line.length < least) return false;
    if (this.around.clock.now() < this.#restsUntil) return false;
    if (busyLines + this.followersOnWire + this.#maxBatch > this.around.maxInFlight) return false;
    return this.#underWay < this.around.batching.maxOpenBatches && this.#take(line.head).length >= least;
  }

  /** Sends the first event of a batch. */
  open(id: number, line: PublishQueue, first: QueuedEvent): void {
    this.around.leaves(first);
    this.#batches.set(id, new Batch(id, line, first));
    this.around.port.openBatch(id, first.event);
    if (isSabotaged('publisher-fills-unopened-batch')) this.opened(id);
  }

  /** The server has opened the batch: sends the events behind the first one. */
  opened(id: number): void {
    const batch = this.#batches.get(id);
    if (batch?.mode !== 'opening') return;
    const followers = this.#take(batch.first.next).slice(0, this.#maxBatch - 1);
    if (followers.length === 0) {
      this.#batches.delete(id);
      this.#dissolve(batch);
      return;
    }
    batch.fill(followers, this.around.clock.now());
    this.around.port.storeBatch(
      id,
      followers.map(({ event }) => event),
    );
  }

  /** An answer to a batch. */
  answered(id: number, answer: ServerAnswer): void {
    const batch = this.#batches.get(id);
    if (batch === undefined) return;
    this.#batches.delete(id);
    const { first, line, mode } = batch;
    if (answer.kind === 'stored') {
      // Asked to open a batch, a server that knows none stores the event.
      if (mode === 'opening') this.#turnOff('the server does not know atomic batches');
      this.#batchStored(batch, answer);
      return;
    }
    const now = this.around.clock.now();
    this.#restsUntil = now + REST_MS;
    if (answer.kind === 'refused') this.#learnFrom(answer.errorCode);
    if (mode === 'doubtful' || line.head !== first) return;
    if (answer.kind === 'refused') this.#dissolve(batch);
    else first.resendAt = now + RETRY_WHEN_UNAVAILABLE_MS;
  }

  /** Whether the line waits for the answer to a batch. */
  carries(line: PublishQueue): boolean {
    for (const batch of this.#batches.values())
      if (batch.line === line && batch.mode !== 'doubtful') return true;
    return false;
  }

  /** The line's first event leaves again, alone: what was opened will never be filled. */
  wentAlone(line: PublishQueue): void {
    if (this.#batches.size === 0) return;
    for (const batch of this.#batches.values()) {
      if (batch.line !== line) continue;
      if (batch.mode === 'opening') this.#batches.delete(batch.id);
      else batch.mode = 'doubtful';
    }
  }

  /** Forgets batches whose events all have an outcome; their answers were lost. */
  sweep(): void {
    for (const { id, mode, first, line, events } of this.#batches.values()) {
      // Of one whose first event holds its line closed an answer would still tell; unless a copy tells anyway.
      if (mode !== 'doubtful' && line.head === first) continue;
      if (events.every(({ settled }) => settled)) this.#batches.delete(id);
    }
  }

  get #underWay(): number {
    let count = 0;
    for (const { holdsPlace } of this.#batches.values()) if (holdsPlace) count++;
    return count;
  }

  #take(head: QueuedEvent | undefined): QueuedEvent[] {
    return batchFrom(head, { events: this.#maxBatch, bytes: MAX_BATCH_BYTES });
  }

  #batchStored(batch: Batch, answer: ServerAnswer & { kind: 'stored' }): void {
    const { line, events } = batch;
    let moved = false;
    for (const [index, entry] of events.entries()) {
      // The first ones may have been answered one by one meanwhile.
      if (line.head !== entry) continue;
      this.around.answered(entry);
      this.around.outcomes.stored(entry, batch.sequenceOf(index, answer.sequence), answer.duplicate);
      line.shift();
      moved = true;
    }
    if (events.length > 1) this.#stored++;
    if (moved) this.around.advance(line);
  }

  /** Nothing of the batch is stored or under way: its events go one by one, each for its own answer. */
  #dissolve(batch: Batch): void {
    const { first, line } = batch;
    if (line.head !== first) return;
    batch.dissolve();
    this.around.answered(first);
    // If its caller was told that the outcome is unknown, it is known now.
    if (first.settled) line.shift();
    this.around.advance(line);
  }

  #learnFrom(errorCode: number): void {
    if (errorCode === BATCHES_DISABLED) this.#turnOff('the stream takes no batches any more');
    if (errorCode === BATCH_TOO_LARGE) this.#maxBatch >>= 1;
  }

  #turnOff(reason: string): void {
    this.#off = reason;
    const { log, topic } = this.around;
    log.warn(`topic "${topic}": batching is off: ${reason}; events go one by one, with the same promises`);
  }
}
