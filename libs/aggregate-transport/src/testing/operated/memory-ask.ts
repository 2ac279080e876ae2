import type { AskPort, QuestionListener } from '../../asking/ask-port.js';
import type { Clock } from '../../clock.js';

const MAX_BYTES = 64 * 1_024;

/** The questions of one group in memory: all that hear are asked, in a later turn, as over a network. */
export class MemoryAsk {
  readonly #listeners = new Set<QuestionListener>();

  constructor(
    private readonly clock: Clock,
    private readonly moved: () => void,
  ) {}

  connect(): AskPort {
    return {
      maxBytes: () => MAX_BYTES,
      ask: (body, { answered, unheard }) => {
        let isOver = false;
        this.#later(() => {
          if (this.#listeners.size === 0 && !isOver) unheard();
          for (const listener of [...this.#listeners])
            listener.asked(Buffer.from(body), (answer) =>
              this.#later(() => {
                if (!isOver) answered(Buffer.from(answer));
              }),
            );
        });
        return { end: () => (isOver = true) };
      },
      hear: (listener) => {
        this.#listeners.add(listener);
        return { end: () => this.#listeners.delete(listener) };
      },
    };
  }

  #later(run: () => void): void {
    this.clock.nextTurn(() => {
      this.moved();
      run();
    });
  }
}
