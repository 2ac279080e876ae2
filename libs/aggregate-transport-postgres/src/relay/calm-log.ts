import type { Clock } from '../clock.js';
import type { Log, LogLine } from '../log.js';

/** The same text is logged again after so long, in milliseconds. */
const SAY_AGAIN_MS = 60_000;
/** Texts that are remembered. A text that names something else each time is another one each time. */
const MAX_TEXTS = 100;

/**
 * Keeps a failure that comes again and again from filling the log: each text is logged once a minute, also if several
 * take turns.
 */
export class CalmLog implements Log {
  /** When each text was logged, the oldest first. */
  readonly #saidAt = new Map<string, number>();

  constructor(
    private readonly clock: Pick<Clock, 'now'>,
    private readonly log: Log,
  ) {}

  readonly write = (...line: LogLine): void => {
    const [, , text] = line;
    const now = this.clock.now();
    for (const [said, at] of this.#saidAt) if (now - at >= SAY_AGAIN_MS) this.#saidAt.delete(said);
    if (this.#saidAt.has(text)) return;
    if (this.#saidAt.size >= MAX_TEXTS) this.#saidAt.delete([...this.#saidAt.keys()][0] ?? '');
    this.#saidAt.set(text, now);
    this.log.write(...line);
  };
}
