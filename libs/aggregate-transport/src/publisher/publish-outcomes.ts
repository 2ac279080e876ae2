import type { Clock } from '../clock.js';
import { hasCode } from '../errors.js';
import { FlushWaiters } from './flush-waiters.js';
import type { QueuedEvent } from './publish-queue.js';

/** Publishing does not work, or not for all events. */
export interface PublishTrouble {
  readonly forMs: number;
  /** What was found, with the server's own reason if it gave one. */
  readonly why: string;
}

/** A refusal by the server. What the caller itself did wrong is none. */
interface Refusal {
  /** The first one since an event was stored, and the last one. */
  readonly firstAt: number;
  readonly at: number;
  readonly why: string;
  /** Events stored when it came. */
  readonly published: number;
}

/** A refusal tells of the present for so long, and for longer if nothing was stored since. */
const REFUSAL_TOLD_MS = 4_000;
const LAST_REFUSAL_TOLD_MS = 60_000;

/** Tells each caller one outcome, once, and counts the outcomes. */
export class PublishOutcomes {
  readonly #flushes = new FlushWaiters();
  #pending = 0;
  #published = 0;
  #failed = 0;
  #refusal: Refusal | undefined;

  constructor(
    private readonly topic: string,
    private readonly clock: Clock,
  ) {}

  /** Events accepted and without an outcome. */
  get pending(): number {
    return this.#pending;
  }

  /** Events stored. */
  get published(): number {
    return this.#published;
  }

  /** Calls that ended with an error. */
  get failed(): number {
    return this.#failed;
  }

  /** Refusals by the server that are not over: they continue, or nothing was stored since. */
  get refused(): PublishTrouble | undefined {
    if (this.#refusal === undefined) return undefined;
    const { firstAt, at, published, why } = this.#refusal;
    const now = this.clock.now();
    const toldMs = published === this.#published ? LAST_REFUSAL_TOLD_MS : REFUSAL_TOLD_MS;
    return now - at < toldMs ? { forMs: now - firstAt, why } : undefined;
  }

  noteAccepted(): void {
    this.#pending++;
  }

  /** Calls ended with an error before their events were accepted. */
  noteTurnedAway(calls: number): void {
    this.#failed += calls;
  }

  /** Resolves the call, unless its caller has an outcome. */
  resolve(event: QueuedEvent, sequence: number, duplicate: boolean): void {
    if (event.hasOutcome) return;
    this.#published++;
    this.#end(event);
    event.caller.resolve({ topic: this.topic, sequence, duplicate });
  }

  /** Rejects the call, unless its caller has an outcome. */
  reject(event: QueuedEvent, error: Error): void {
    if (event.hasOutcome) return;
    this.#failed++;
    if (hasCode(error, 'PUBLISH_REJECTED')) this.#noteRefused(error.message);
    this.#end(event);
    event.caller.reject(error);
  }

  /** Resolves when every event accepted up to this id has an outcome, of either kind. */
  flush(lastId: number): Promise<void> {
    return this.#flushes.wait(lastId, this.#pending);
  }

  #noteRefused(why: string): void {
    const at = this.clock.now();
    const firstAt = this.refused === undefined ? at : (this.#refusal?.firstAt ?? at);
    this.#refusal = { firstAt, at, why, published: this.#published };
  }

  #end(event: QueuedEvent): void {
    event.markOutcome();
    this.#pending--;
    this.#flushes.noteOutcome(event.id);
  }
}
