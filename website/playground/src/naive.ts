import type { Clock } from '#library/clock.js';
import type { Fates } from './chance.js';
import type { Side } from './side.js';

interface Job {
  readonly key: number;
  readonly n: number;
  readonly attempt: number;
}

const AT_ONCE = 6;
const AGAIN_AFTER_MS = 400;

/**
 * A queue group as one writes it first: workers take the next message, whichever aggregate it is of, and a message that
 * fails comes again a little later.
 */
export class NaiveConsumer {
  readonly #queue: Job[] = [];
  #running = 0;

  constructor(
    private readonly side: Side,
    private readonly fates: Fates,
    private readonly clock: Clock,
  ) {}

  publish(key: number): void {
    this.#deliver({ key, n: this.side.published(key), attempt: 1 });
  }

  #deliver(job: Job): void {
    this.#queue.push(job);
    this.#fill();
  }

  #fill(): void {
    while (this.#running < AT_ONCE) {
      const job = this.#queue.shift();
      if (job === undefined) return;
      this.#run(job);
    }
  }

  #run(job: Job): void {
    const { key, n, attempt } = job;
    const { takesMs, fails } = this.fates.of(key, n, attempt);
    const ended = this.side.started(key, n);
    this.#running += 1;
    this.clock.after(takesMs, () => {
      ended(!fails);
      this.#running -= 1;
      if (fails) this.clock.after(AGAIN_AFTER_MS, () => this.#deliver({ ...job, attempt: attempt + 1 }));
      this.#fill();
    });
  }
}
