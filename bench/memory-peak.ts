const EVERY_MS = 10;

/** Looks at this process's memory now and then, and remembers the highest. */
export class MemoryPeak {
  readonly #before = usedBytes();
  #highest = this.#before;
  readonly #timer = setInterval(() => (this.#highest = Math.max(this.#highest, usedBytes())), EVERY_MS);

  /** MiB above what was used at the start. Garbage that is not collected yet counts. */
  stop(): number {
    clearInterval(this.#timer);
    return (this.#highest - this.#before) / 2 ** 20;
  }
}

function usedBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
