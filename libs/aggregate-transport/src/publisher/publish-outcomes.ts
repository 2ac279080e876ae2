import { FlushWaiters } from './flush-waiters.js';
import type { QueuedEvent } from './publish-queue.js';

/** Gives every publish call its outcome, once, and counts. */
export class PublishOutcomes {
  readonly #flushes = new FlushWaiters();
  #pending = 0;
  #published = 0;
  #failed = 0;

  constructor(private readonly topic: string) {}

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

  accepted(): void {
    this.#pending++;
  }

  /** A call ended before it was accepted. */
  turnedAway(): void {
    this.#failed++;
  }

  stored(entry: QueuedEvent, sequence: number, duplicate: boolean): void {
    if (entry.settled) return;
    this.#published++;
    this.#settle(entry);
    entry.caller.resolve({ topic: this.topic, sequence, duplicate });
  }

  failedWith(entry: QueuedEvent, error: Error): void {
    if (entry.settled) return;
    this.#failed++;
    this.#settle(entry);
    entry.caller.reject(error);
  }

  /** Resolves when every event accepted up to this id has its outcome, whatever it is. */
  flush(lastId: number): Promise<void> {
    return this.#flushes.wait(lastId, this.#pending);
  }

  #settle(entry: QueuedEvent): void {
    entry.settled = true;
    entry.letGo?.();
    this.#pending--;
    this.#flushes.settled(entry.id);
  }
}
