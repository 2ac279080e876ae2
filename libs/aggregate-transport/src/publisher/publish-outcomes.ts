import { FlushWaiters } from './flush-waiters.js';
import type { QueuedEvent } from './publish-queue.js';

/** Tells each caller one outcome, once, and counts the outcomes. */
export class PublishOutcomes {
  readonly #flushes = new FlushWaiters();
  #pending = 0;
  #published = 0;
  #failed = 0;

  constructor(private readonly topic: string) {}

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

  noteAccepted(): void {
    this.#pending++;
  }

  /** A call ended with an error before its event was accepted. */
  noteTurnedAway(): void {
    this.#failed++;
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
    this.#end(event);
    event.caller.reject(error);
  }

  /** Resolves when every event accepted up to this id has an outcome, of either kind. */
  flush(lastId: number): Promise<void> {
    return this.#flushes.wait(lastId, this.#pending);
  }

  #end(event: QueuedEvent): void {
    event.markOutcome();
    this.#pending--;
    this.#flushes.noteOutcome(event.id);
  }
}
