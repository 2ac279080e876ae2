/** Copies stop this long before the stream forgets the dedup id: a copy stored later would be a second event. */
const WINDOW_MARGIN_MS = 10_000;
/** Copies may use at least this share of a short window, or a healthy publisher would have no time at all. */
const LEAST_SHARE = 0.5;

/** Says how long an event is sent again. All times count from the event's first send. */
export class ResendWindow {
  readonly #patience: string;
  readonly #copiesUntilMs: number;
  readonly #giveUpAfterMs: number;

  constructor(giveUpAfterMs: number, duplicateWindowMs: number) {
    this.#copiesUntilMs = Math.max(duplicateWindowMs - WINDOW_MARGIN_MS, duplicateWindowMs * LEAST_SHARE);
    this.#giveUpAfterMs = Math.min(giveUpAfterMs, this.#copiesUntilMs);
    this.#patience =
      giveUpAfterMs <= this.#copiesUntilMs
        ? `${giveUpAfterMs} ms (publish.giveUpAfterMs)`
        : `${this.#copiesUntilMs} ms, all that the stream's duplicate window of ${duplicateWindowMs} ms leaves`;
  }

  /** Why the outcome of a late event is unknown, for its caller. */
  reasonFor(lastAnswer: string | undefined): string {
    return lastAnswer === undefined
      ? `no answer for ${this.#patience}`
      : `no copy was confirmed for ${this.#patience}; the last answer was "${lastAnswer}"`;
  }

  /** The event's caller must be told OUTCOME_UNKNOWN. */
  isLate(firstSentAt: number, now: number): boolean {
    return now - firstSentAt >= this.#giveUpAfterMs;
  }

  /** No copy may be sent: the stream may have forgotten the dedup id when it arrives. */
  hasEnded(firstSentAt: number, now: number): boolean {
    return now - firstSentAt >= this.#copiesUntilMs;
  }
}
