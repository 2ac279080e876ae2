import { isSabotaged } from '#sabotage';
import type { Clock } from '../clock.js';
import type { LogAt } from '../log.js';
import { largestEventBytes } from '../message/outgoing/outgoing-event.js';
import { PassingMap } from '../passing-map.js';
import { Batch, batchFrom, type BatchLimits, followersOf, worthwhileAt } from './batch.js';
import type { PublishPort } from './publish-port.js';
import type { PublishQueue, QueuedEvent } from './publish-queue.js';
import type { ServerAnswer } from './server-answer.js';

export interface BatchingOptions {
  /** The most events in a batch. */
  readonly maxBatch: number;
  /** The most batches under way. */
  readonly maxOpenBatches: number;
  /** Why the stream accepts no batches; undefined if it does. */
  readonly obstacle: string | undefined;
  /** How many events a queue must hold while so many queues are on the wire. Default: as measured. */
  readonly worthwhileAt?: (busyQueues: number) => number;
}

/** Whether long queues are stored in batches, and how many were; if not, why. */
export type BatchingStatus =
  { readonly on: true; readonly batches: number } | { readonly on: false; readonly reason: string };

interface BatchingParts {
  readonly topic: string;
  readonly limits: BatchingOptions;
  readonly maxInFlight: number;
  readonly clock: Clock;
  readonly log: LogAt<'topic'>;
  readonly port: PublishPort;
}

const MAX_BATCH_BYTES = 1_048_576;
/** A refused batch says that its events should be sent one by one, and often that the next ones should be, too. */
const REST_MS = 1_000;
const BATCHES_DISABLED = 10174;
const BATCH_TOO_LARGE = 10199;

type Mode =
  | { readonly name: 'on' }
  | { readonly name: 'resting'; readonly until: number }
  | { readonly name: 'off'; readonly reason: string };

const MAY_ENTER_FROM: Readonly<Record<Mode['name'], readonly Mode['name'][]>> = {
  on: ['resting'],
  resting: ['on', 'resting'],
  off: ['on', 'resting'],
};

/**
 * Stores the long queue of a hot aggregate in atomic batches, because one event per round trip is slow. An aggregate
 * still has one thing under way at a time: an event or a batch.
 *
 * The server stores a refused batch in no part, so its events are then sent one by one and get their own answers.
 * After a batch without an answer, its first event is sent alone, under the same dedup id.
 *
 * Its modes:
 *
 * - `on`: batches are opened.
 * - `resting`: a batch was not stored; none is opened for a second. The next one that is opened ends the mode.
 * - `off`: the stream or the server accepts no batches. Final.
 */
export class Batching {
  readonly #batches = new PassingMap<number, Batch>();
  #mode: Mode;
  #maxBatch: number;
  #stored = 0;

  constructor(private readonly parts: BatchingParts) {
    const { topic, log, limits, maxInFlight } = parts;
    this.#maxBatch = limits.maxBatch;
    const obstacle = limits.obstacle ?? obstacleOf(limits.maxBatch, maxInFlight);
    this.#mode = obstacle === undefined ? { name: 'on' } : { name: 'off', reason: obstacle };
    const { maxBatch } = limits;
    if (obstacle === undefined) {
      const text = `topic "${topic}": batching is on, up to ${maxBatch} events a batch`;
      log.write('batching-on', { count: maxBatch }, text);
    } else {
      log.write('batching-off', { why: obstacle }, `topic "${topic}": batching is off: ${obstacle}`);
    }
  }

  get status(): BatchingStatus {
    return this.#mode.name === 'off'
      ? { on: false, reason: this.#mode.reason }
      : { on: true, batches: this.#stored };
  }

  /** Events under way in batches, without the first event of each. A batch that opens keeps all its places free. */
  get followersOnWire(): number {
    if (this.#batches.size === 0) return 0;
    let count = 0;
    for (const { holdsPlace, mode, events } of this.#batches.values()) {
      if (holdsPlace) count += (mode === 'opening' ? this.#maxBatch : events.length) - 1;
    }
    return count;
  }

  /** Whether a batch of the queue's events pays now, while so many queues are on the wire. */
  pays(queue: PublishQueue, busyQueues: number): boolean {
    const { limits, clock, maxInFlight } = this.parts;
    const least = (limits.worthwhileAt ?? worthwhileAt)(busyQueues);
    if (this.#mode.name === 'off' || queue.length < least) return false;
    if (this.#mode.name === 'resting' && clock.now() < this.#mode.until) return false;
    if (busyQueues + this.followersOnWire + this.#maxBatch > maxInFlight) return false;
    return (
      this.#underWay < limits.maxOpenBatches && batchFrom(queue.head, this.#limits(least)).length >= least
    );
  }

  /** Whether the queue waits for the answer to a batch. */
  carries(queue: PublishQueue): boolean {
    for (const batch of this.#batches.values())
      if (batch.queue === queue && batch.mode !== 'doubtful') return true;
    return false;
  }

  /** Opens a batch by sending its first event. */
  open(id: number, queue: PublishQueue, first: QueuedEvent): void {
    if (this.#mode.name === 'resting') this.#enter({ name: 'on' });
    this.#batches.set(id, new Batch(id, queue, first));
    this.parts.port.openBatch(id, first.outgoing);
    if (isSabotaged('publisher-fills-unopened-batch')) this.fill(id);
  }

  /** Sends the rest of an opened batch. Returns the batch, forgotten, if no event can follow its first one. */
  fill(id: number): Batch | undefined {
    const batch = this.#batches.get(id);
    if (batch?.mode !== 'opening') return undefined;
    const followers = followersOf(batch.first, this.#limits(this.#maxBatch));
    if (followers.length === 0) {
      this.#batches.delete(id);
      return batch;
    }
    batch.fill(followers, this.parts.clock.now());
    this.parts.port.storeBatch(
      id,
      followers.map(({ outgoing }) => outgoing),
    );
    return undefined;
  }

  /** Forgets a batch that was answered, and returns it. What the answer says about batches counts for later ones. */
  take(id: number, answer: ServerAnswer): Batch | undefined {
    const batch = this.#batches.get(id);
    if (batch === undefined) return undefined;
    this.#batches.delete(id);
    if (answer.kind === 'stored') {
      // A server without atomic batches stores the event that should open the batch.
      if (batch.mode === 'opening') this.#turnOff('the server does not support atomic batches');
      if (batch.events.length > 1) this.#stored++;
      return batch;
    }
    // A wrong expectation is about the aggregate, and says nothing of batches.
    if (answer.kind === 'refused' && answer.wrongSequence) return batch;
    this.#rest();
    if (answer.kind === 'refused') this.#learnFrom(answer.errorCode);
    return batch;
  }

  /** The queue's head is sent alone: a batch that was only opened is not filled, a sent one becomes doubtful. */
  noteSentAlone(queue: PublishQueue): void {
    if (this.#batches.size === 0) return;
    for (const batch of this.#batches.values()) {
      if (batch.queue !== queue) continue;
      if (batch.mode === 'opening') this.#batches.delete(batch.id);
      else batch.markDoubtful();
    }
  }

  /** Forgets batches whose events all have an outcome: their answers were lost. */
  forgetEnded(): void {
    for (const { id, mode, first, queue, events } of this.#batches.values()) {
      // The first event keeps its queue closed, and only the answer to the batch, or to a copy, opens it.
      if (mode !== 'doubtful' && queue.head === first) continue;
      if (events.every(({ hasOutcome }) => hasOutcome)) this.#batches.delete(id);
    }
  }

  get #underWay(): number {
    let count = 0;
    for (const { holdsPlace } of this.#batches.values()) if (holdsPlace) count++;
    return count;
  }

  /** Of a batch with so many events, at most. */
  #limits(atMost: number): BatchLimits {
    const eventBytes = largestEventBytes(this.parts.port.maxPayloadBytes);
    return { events: Math.min(this.#maxBatch, atMost), bytes: MAX_BATCH_BYTES, eventBytes };
  }

  #learnFrom(errorCode: number): void {
    if (errorCode === BATCHES_DISABLED) this.#turnOff('the stream no longer accepts batches');
    if (errorCode !== BATCH_TOO_LARGE) return;
    this.#maxBatch >>= 1;
    if (this.#maxBatch < 2) this.#turnOff('the server takes no batch of two events');
  }

  #rest(): void {
    if (this.#mode.name === 'off') return;
    this.#enter({ name: 'resting', until: this.parts.clock.now() + REST_MS });
  }

  #turnOff(reason: string): void {
    if (this.#mode.name === 'off') return;
    this.#enter({ name: 'off', reason });
    const { log, topic } = this.parts;
    log.write(
      'batching-stopped',
      { why: reason },
      `topic "${topic}": batching is off: ${reason}; events are sent one by one, with the same promises`,
    );
  }

  #enter(mode: Mode): void {
    const allowed = MAY_ENTER_FROM[mode.name];
    if (!allowed.includes(this.#mode.name)) {
      throw new Error(
        `expected batching to be ${allowed.join(' or ')} before ${mode.name}, found ${this.#mode.name}`,
      );
    }
    this.#mode = mode;
  }
}

function obstacleOf(maxBatch: number, maxInFlight: number): string | undefined {
  if (maxBatch === 1) return 'publish.maxBatch is 1';
  return maxBatch <= maxInFlight
    ? undefined
    : `publish.maxBatch (${maxBatch}) is more than publish.maxInFlight (${maxInFlight})`;
}
