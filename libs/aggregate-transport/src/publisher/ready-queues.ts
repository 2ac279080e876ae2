import type { PublishQueue } from './publish-queue.js';

const COMPACT_AFTER = 4_096;

/** Gives free places on the wire to the queue that has waited longest. Holds each queue once. */
export class ReadyQueues {
  #queues: PublishQueue[] = [];
  #from = 0;

  /** Adds the queue at the end, unless it is in here already. */
  add(queue: PublishQueue): void {
    if (queue.isReady) return;
    queue.markReady();
    this.#queues.push(queue);
  }

  /** Removes the queue that has waited longest; undefined if none waits. */
  take(): PublishQueue | undefined {
    const queue = this.#queues[this.#from];
    if (queue === undefined) return undefined;
    queue.clearReady();
    this.#from++;
    // Removing the first item of an array moves all others, so the array is cut now and then instead.
    if (this.#from === this.#queues.length || this.#from >= COMPACT_AFTER) {
      this.#queues = this.#queues.slice(this.#from);
      this.#from = 0;
    }
    return queue;
  }
}
