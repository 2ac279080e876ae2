import type { AllocationMeter } from './allocation.js';

/** Times a number of events: from the first one seen to the last. */
export class Stopwatch {
  readonly #done: Promise<void>;
  #startedAt = 0;
  #cpuBefore = process.cpuUsage();
  #seen = 0;
  #resolve: () => void = () => undefined;

  constructor(
    private readonly events: number,
    private readonly allocation?: AllocationMeter,
  ) {
    this.#done = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** An event has begun. */
  begin(): void {
    if (this.#startedAt !== 0) return;
    this.#startedAt = performance.now();
    this.#cpuBefore = process.cpuUsage();
    this.allocation?.begin();
  }

  /** So many events have ended. */
  end(count = 1): void {
    this.#seen += count;
    if (this.#seen === this.events) this.#resolve();
  }

  get seen(): number {
    return this.#seen;
  }

  /** Resolves when all events have ended. */
  async allSeen(withinMs = 180_000): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`${this.#seen} of ${this.events} events within ${withinMs} ms`)),
        withinMs,
      );
    });
    try {
      await Promise.race([this.#done, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Processor time of this process per event, in microseconds: steadier than the rate on a busy machine. */
  cpu(): number {
    const { user, system } = process.cpuUsage(this.#cpuBefore);
    return (user + system) / this.#seen;
  }

  /** Bytes allocated per event since the first one's begin, if they are counted. Once, at the end. */
  async bytes(): Promise<number | undefined> {
    return this.allocation && (await this.allocation.end()) / this.#seen;
  }

  /** Events per second from the first one's begin until now. */
  rate(): number {
    return (this.#seen * 1_000) / (performance.now() - this.#startedAt);
  }
}
