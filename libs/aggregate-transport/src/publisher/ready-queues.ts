import type { PublishQueue } from './publish-queue.js';

const COMPACT_AFTER = 4_096;

/** Lines whose head may leave, first come first served; each stands in here once. */
export class ReadyQueues {
  #lines: PublishQueue[] = [];
  #from = 0;

  add(line: PublishQueue): void {
    if (line.isReady) return;
    line.isReady = true;
    this.#lines.push(line);
  }

  take(): PublishQueue | undefined {
    const line = this.#lines[this.#from];
    if (line === undefined) return undefined;
    line.isReady = false;
    this.#from++;
    // Taking from the front of an array moves the rest; so it is cut now and then instead.
    if (this.#from === this.#lines.length || this.#from >= COMPACT_AFTER) {
      this.#lines = this.#lines.slice(this.#from);
      this.#from = 0;
    }
    return line;
  }
}
